use std::{io, sync::Arc, time::Duration};

use policy_net::{Listener, ServeOptions, accept};
use tokio::{
    runtime::{self, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};

use crate::{Bound, Proxy};

/// One of a daemon's workers: a current-thread runtime, so that a request stays on one core, with
/// listeners of its own on the sockets of all.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) runtime: Runtime,
    listeners: Vec<Listener>,
}

impl Worker {
    pub(crate) fn new(sockets: &[Bound]) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let entered = runtime.enter();
        let listeners = sockets
            .iter()
            .map(Bound::listener)
            .collect::<io::Result<_>>()?;
        drop(entered);
        Ok(Self { runtime, listeners })
    }

    /// SIGTERM and SIGINT, which from now on end the process no more.
    pub(crate) fn signals(&self) -> io::Result<Signals> {
        let _entered = self.runtime.enter();
        let (term, int) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        Ok(Signals { term, int })
    }

    /// Serves connections until `stop` is cancelled, then the requests under way, and stays until all
    /// who are `busy` have done so: connections to services are shared, and each needs the runtime of
    /// the worker that opened it. `meanwhile` runs beside that.
    pub(crate) fn serve(
        self,
        proxy: &Arc<Proxy>,
        deadline: Duration,
        stop: &CancellationToken,
        busy: TaskTrackerToken,
        meanwhile: impl Future<Output = ()>,
    ) {
        let mut options = ServeOptions::default();
        // By then every request under way has its answer.
        options.drain = deadline.saturating_add(Duration::from_secs(1));
        self.runtime.block_on(async {
            let mut serving = JoinSet::new();
            for listener in self.listeners {
                let (proxy, options, stop) = (Arc::clone(proxy), options.clone(), stop.clone());
                serving.spawn(async move {
                    let connection = move |io, drain| Arc::clone(&proxy).serve(io, drain);
                    accept(listener, &options, connection, stop.cancelled_owned()).await;
                });
            }
            let all_served = async { while serving.join_next().await.is_some() {} };
            tokio::join!(meanwhile, all_served);
            let others = busy.task_tracker().clone();
            drop(busy);
            others.wait().await;
        });
        // A thread may still wait for a resolver.
        self.runtime.shutdown_background();
    }
}

/// What ends a daemon.
#[derive(Debug)]
pub(crate) struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    /// Waits for one of them.
    pub(crate) async fn recv(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
