//! `hapolicy --listen`: any number of connections in one process.

use std::{io, num::NonZeroUsize, sync::Arc, thread, time::Duration};

use policy_net::{ServeOptions, UpstreamOptions, accept};
use policy_proto::Response;
use thiserror::Error;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use crate::{
    Affinity, Bound, DAEMON_PATIENCE, InvalidListen, Level, Listen, Log, Options, Proxy, forward,
    setup::Services, users::RunAs,
};

/// Why a daemon does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A `--listen` that cannot be read.
    #[error("--listen {0}")]
    Listen(String, #[source] InvalidListen),
    /// Services that are invalid, or none.
    #[error("{0}")]
    Services(String),
    /// A `--user` that does not exist.
    #[error("--user {0}: unknown user or group")]
    User(String),
    /// A socket that cannot be bound, or a user that it cannot run as.
    #[error("{0}")]
    System(String, #[source] io::Error),
}

impl StartError {
    /// The exit status of sysexits(3): 78 for the configuration, 71 for the system.
    #[must_use]
    pub const fn exit_status(&self) -> u8 {
        match self {
            Self::Listen(..) | Self::Services(_) | Self::User(_) => 78,
            Self::System(..) => 71,
        }
    }
}

/// Serves any number of connections until SIGTERM or SIGINT, and then the requests under way.
///
/// # Errors
///
/// [`StartError`]: once it runs, nothing ends it but a signal.
pub fn run(options: &Options) -> Result<(), StartError> {
    let services = Services::parse(options);
    if let Some(text) = services.invalid.first() {
        let text = String::from_utf8_lossy(text).into_owned();
        return Err(StartError::Services(text));
    }
    if services.valid.is_empty() {
        return Err(StartError::Services(
            "no service: give at least one with -s".to_owned(),
        ));
    }
    let run_as = match &options.user {
        Some(user) => Some(RunAs::parse(user).ok_or_else(|| StartError::User(user.clone()))?),
        None => None,
    };
    let sockets = bind(&options.listen)?;
    if let (Some(run_as), Some(user)) = (run_as, &options.user) {
        run_as
            .become_it()
            .map_err(|error| StartError::System(format!("--user {user}"), error))?;
    }

    let log = if options.stdout {
        Log::stdout()
    } else {
        Log::syslog()
    };
    log.panics();
    let proxy = Arc::new(proxy(options, &services, &log));
    forward::events_to(&proxy);
    let workers = options
        .workers
        .or_else(|| thread::available_parallelism().ok());
    let workers = workers.map_or(1, NonZeroUsize::get);
    let stop = CancellationToken::new();
    let busy = TaskTracker::new();
    busy.close();
    let served = thread::scope(|scope| {
        let worker = |stops| {
            let (proxy, sockets, stop) = (&proxy, &sockets, &stop);
            let (deadline, busy) = (options.deadline, busy.token());
            move || work(proxy, sockets, deadline, stop, busy, stops)
        };
        for number in 1..workers {
            let thread = thread::Builder::new().name(format!("worker-{number}"));
            thread
                .spawn_scoped(scope, worker(false))
                .map_err(|error| StartError::System("cannot start a worker".to_owned(), error))?;
        }
        worker(true)().map_err(|error| StartError::System("cannot start".to_owned(), error))
    });
    log.line(Level::Info, "stopped");
    log.flush();
    served
}

/// One worker: a current-thread runtime, so that a request stays on one core.
fn work(
    proxy: &Arc<Proxy>,
    sockets: &[Bound],
    deadline: Duration,
    stop: &CancellationToken,
    busy: TaskTrackerToken,
    is_first: bool,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(async {
        // Before anyone is told that the daemon runs, and may end it.
        let (mut term, mut int) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        let mut serving = JoinSet::new();
        let mut options = ServeOptions::default();
        // By then every request under way has its answer.
        options.drain = deadline + Duration::from_secs(1);
        for socket in sockets {
            let listener = socket.listener()?;
            let endpoint = listener.endpoint()?;
            let (proxy, options, stop) = (Arc::clone(proxy), options.clone(), stop.clone());
            if is_first {
                proxy
                    .journal
                    .log()
                    .line(Level::Info, format!("listening on {endpoint}"));
            }
            serving.spawn(async move {
                let connection = move |io, drain| {
                    let proxy = Arc::clone(&proxy);
                    async move { proxy.serve(io, &drain).await }
                };
                accept(listener, &options, connection, stop.cancelled_owned()).await;
            });
        }
        if is_first {
            if let Some(upstream) = proxy.upstream.clone() {
                tokio::spawn(async move { upstream.maintain().await });
            }
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            proxy.journal.log().line(Level::Info, "stopping");
            stop.cancel();
            // Each worker has a descriptor of its own: closing them all would take until the end.
            sockets.iter().for_each(Bound::refuse);
        }
        while serving.join_next().await.is_some() {}
        // Connections to services are shared: each needs the runtime of the worker that opened it.
        let others = busy.task_tracker().clone();
        drop(busy);
        others.wait().await;
        Ok(())
    });
    if result.is_err() {
        stop.cancel();
    }
    // A thread may still wait for a resolver.
    runtime.shutdown_background();
    result
}

fn proxy(options: &Options, services: &Services, log: &Log) -> Proxy {
    let journal = services.journal(log.clone(), options).for_daemon();
    let mut settings = UpstreamOptions::default();
    settings.deadline = options.deadline;
    let default = options.default.clone().unwrap_or(Response::dunno());
    let mut proxy = Proxy::new(services.upstream(settings, false), default, journal);
    proxy.affinity = options.affinity.unwrap_or(Affinity::Message);
    proxy.patience = DAEMON_PATIENCE;
    proxy
}

fn bind(listen: &[String]) -> Result<Vec<Bound>, StartError> {
    let bind = |text: &String| {
        let listen: Listen = text
            .parse()
            .map_err(|error| StartError::Listen(text.clone(), error))?;
        listen
            .bind()
            .map_err(|error| StartError::System(format!("cannot bind {text}"), error))
    };
    listen.iter().map(bind).collect()
}
