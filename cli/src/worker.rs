use std::{
    future::ready,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use policy_net::{Check, Listener, ServeOptions, Stream, accept};
use tokio::{
    runtime::{self, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};
use tokio_util::{either::Either, sync::CancellationToken, task::task_tracker::TaskTrackerToken};

use crate::{
    Bound, Journal, Proxy,
    admission::{Admission, Place},
};

/// One of a daemon's workers: a current-thread runtime, so that a request stays on one core, with
/// listeners of its own on the sockets of all.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) runtime: Runtime,
    /// Each with whether only this machine can reach it.
    listeners: Vec<(Listener, bool)>,
    proxy: Arc<Proxy>,
    admission: Arc<Admission>,
}

impl Worker {
    /// The first of two is worker `(0, 2)`.
    pub(crate) fn new(
        (index, number): (usize, usize),
        sockets: &[Bound],
        proxy: &Proxy,
        admission: &Arc<Admission>,
    ) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let entered = runtime.enter();
        let mut listeners = Vec::new();
        for bound in sockets {
            let is_local = bound.is_local()?;
            let own = bound.listeners(index, number)?;
            listeners.extend(own.into_iter().map(|listener| (listener, is_local)));
        }
        drop(entered);
        Ok(Self {
            runtime,
            listeners,
            proxy: Arc::new(proxy.for_worker(index)),
            admission: Arc::clone(admission),
        })
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

    /// Looks after what all workers share.
    pub(crate) fn keep_up(&self, check: Option<Check>) {
        self.runtime.spawn(Arc::clone(&self.proxy).upkeep(check));
    }

    /// Serves connections until `stop` is cancelled, then the requests under way, and stays until all
    /// who are `busy` have done so: connections to services are shared, and each needs the runtime of
    /// the worker that opened it. `meanwhile` runs beside that.
    pub(crate) fn serve(
        self,
        deadline: Duration,
        stop: &CancellationToken,
        busy: TaskTrackerToken,
        meanwhile: impl Future<Output = ()>,
    ) {
        let mut options = ServeOptions::default();
        // Those that are too many do not wait: they are closed.
        options.max_connections = usize::MAX;
        // By then every request under way has its answer.
        options.drain = deadline.saturating_add(Duration::from_secs(1));
        self.runtime.block_on(async {
            let mut serving = JoinSet::new();
            for (listener, is_local) in self.listeners {
                let (proxy, admission) = (Arc::clone(&self.proxy), Arc::clone(&self.admission));
                let (options, stop) = (options.clone(), stop.clone());
                serving.spawn(async move {
                    let connection = move |io, drain| {
                        let place = place(&admission, &io, is_local, &proxy.journal);
                        match place {
                            Some(place) => Either::Left(Admitted {
                                served: Arc::clone(&proxy).serve(io, drain),
                                place,
                            }),
                            None => Either::Right(ready(())),
                        }
                    };
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

pin_project! {
    /// A connection that is served, and its place. It is not an async block since that would take twice
    /// the memory of what it awaits, for as long as the connection lives.
    struct Admitted<F> {
        #[pin]
        served: F,
        place: Place,
    }
}

impl<F: Future<Output = ()>> Future for Admitted<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().served.poll(cx)
    }
}

/// A place for this connection, or a word on why there is none.
fn place(
    admission: &Arc<Admission>,
    io: &Stream,
    is_local: bool,
    journal: &Journal,
) -> Option<Place> {
    let client = match io {
        // Who has gone already needs no place.
        Stream::Tcp(io) => Some(io.peer_addr().ok()?.ip()),
        Stream::Unix(_) => None,
    };
    let admitted = admission.admit(client, is_local);
    if let Err(refusal) = &admitted {
        journal.turned_away(refusal);
    }
    admitted.ok()
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
