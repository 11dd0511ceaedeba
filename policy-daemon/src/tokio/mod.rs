//! A service of policy requests on tokio: a runtime for each worker, with the connections of `policy-net`.

mod admin;
mod connection;

mod control;
pub use control::{CommandStep, TokioCommands};

mod local_endpoint;
mod server;

use std::{io, num::NonZeroU64, sync::Arc};

use policy_net::{Handler, ServeOptions};
use tokio::runtime::{Builder, Runtime};

use self::{
    admin::TokioAdmin,
    connection::Connections,
    control::{Runtimes, TokioControl},
    server::Server,
};
use crate::{
    admin::Admin,
    control::Control,
    metrics::RequestMetrics,
    service::{Service, Worker},
    worker::WorkerContext,
};

/// A service that answers each request with a [`Handler`], which all workers share.
///
/// Each worker has a runtime of one thread. An error of the handler, or one that takes longer than
/// [`ServeOptions::deadline`], is logged and closes the connection without an answer, as the protocol wants it.
///
/// Requests are counted by the class of their action and by the time that they took: the [admin](crate::admin) listener
/// shows that, beside what [`with_admin`](Self::with_admin) adds.
///
/// ```no_run
/// use policy_daemon::{Daemon, DaemonOptions, Inherited, StartError, TokioService};
/// use policy_proto::Response;
///
/// let mut options = DaemonOptions::new("dunno");
/// options.listen = vec!["inet:127.0.0.1:10031".to_owned()];
/// let daemon = Daemon::prepare(&options, Inherited::default())?;
/// daemon.serve(TokioService::new(async |_| Ok(Response::dunno())))?;
/// # Ok::<(), StartError>(())
/// ```
#[derive(Debug)]
pub struct TokioService<H> {
    handler: Arc<H>,
    options: ServeOptions,
    max_requests: Option<NonZeroU64>,
    admin: TokioAdmin,
    runtimes: Runtimes,
    commands: Option<Arc<dyn TokioCommands>>,
}

impl<H> TokioService<H> {
    /// A service with this handler, and the default limits.
    pub fn new(handler: H) -> Self {
        Self {
            handler: Arc::new(handler),
            options: ServeOptions::default(),
            max_requests: None,
            admin: TokioAdmin::default(),
            runtimes: Runtimes::default(),
            commands: None,
        }
    }

    /// Sets other limits. The memory for requests counts for each worker. How many clients there may be at once is
    /// an option of the daemon.
    #[must_use]
    pub fn with_options(self, options: ServeOptions) -> Self {
        Self { options, ..self }
    }

    /// The same, and each connection is closed after so many replies. Without a limit by default.
    #[must_use]
    pub fn with_max_requests(self, max_requests: Option<NonZeroU64>) -> Self {
        Self {
            max_requests,
            ..self
        }
    }

    /// The same, and the [admin](crate::admin) listener shows this as well.
    #[must_use]
    pub fn with_admin(mut self, admin: Arc<dyn Admin>) -> Self {
        self.admin.of_service = Some(admin);
        self
    }

    /// The same, and the [control](crate::control) socket takes commands: `status`, `lists` where there are some, and those
    /// of the service.
    #[must_use]
    pub fn with_commands(mut self, commands: Arc<dyn TokioCommands>) -> Self {
        self.commands = Some(commands);
        self
    }
}

impl<H: Handler + 'static> Service for TokioService<H> {
    type Message = ();
    type Worker = TokioWorker<H>;

    fn worker(&self, context: WorkerContext<()>) -> io::Result<TokioWorker<H>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        self.runtimes.add(runtime.handle());
        Ok(TokioWorker {
            runtime,
            context,
            handler: Arc::clone(&self.handler),
            options: self.options,
            max_requests: self.max_requests,
            metrics: self.admin.add_worker(),
        })
    }

    fn admin(&self) -> Option<Arc<dyn Admin>> {
        Some(Arc::new(self.admin.clone()))
    }

    fn control(&self) -> Option<Arc<dyn Control>> {
        let commands = Arc::clone(self.commands.as_ref()?);
        Some(Arc::new(TokioControl {
            admin: self.admin.clone(),
            runtimes: self.runtimes.clone(),
            commands,
        }))
    }
}

/// A worker of a [`TokioService`].
#[derive(Debug)]
pub struct TokioWorker<H> {
    runtime: Runtime,
    context: WorkerContext<()>,
    handler: Arc<H>,
    options: ServeOptions,
    max_requests: Option<NonZeroU64>,
    metrics: Arc<RequestMetrics>,
}

impl<H: Handler + 'static> Worker for TokioWorker<H> {
    fn run(self) -> io::Result<()> {
        let Self {
            runtime,
            mut context,
            handler,
            options,
            max_requests,
            metrics,
        } = self;
        runtime.block_on(async move {
            let listeners = context.take_listeners();
            let context = Arc::new(context);
            let connections = Connections::new(&context, handler, options, max_requests, metrics);
            Server::new(context, listeners, connections)?.run().await
        })
    }
}
