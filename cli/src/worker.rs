//! A worker of a daemon, and what all workers share.

use std::{
    convert::Infallible,
    future::ready,
    io,
    os::fd::OwnedFd,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use nix::sys::socket::{UnixCredentials, getsockopt, sockopt::PeerCredentials};
use pin_project_lite::pin_project;
use policy_net::{Check, Listener, ServeOptions, Stream, accept};
use socket2::SockRef;
use tokio::{
    runtime::{self, Runtime},
    task::JoinSet,
};
use tokio_util::{either::Either, sync::CancellationToken, task::TaskTracker};

use crate::{
    Bound, Proxy,
    admission::{Admission, Client, Door, Refusal},
    client_stream::ClientStream,
    crew::Crew,
    notify::Pulses,
    passing::Passing,
    place::Place,
    slots::Slots,
};

/// One of a daemon's workers: a current-thread runtime, so that a request stays on one core, with
/// listeners of its own.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) runtime: Runtime,
    index: usize,
    listeners: Vec<(Listener, Door)>,
    proxy: Arc<Proxy>,
    common: Arc<Common>,
}

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) proxy: Proxy,
    pub(crate) crew: Crew,
    pub(crate) admission: Admission,
    pub(crate) slots: Slots,
    pub(crate) passing: Passing,
    pub(crate) pulses: Option<Arc<Pulses>>,
    /// The process that is about to take over, or 0: it connects only to make sure whose socket this is.
    pub(crate) successor: AtomicI32,
}

/// How all of them end.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    /// Cancelled when nothing more is to be accepted, and no request more to be waited for.
    pub(crate) stop: CancellationToken,
    /// How long requests under way may take then.
    pub(crate) drain: Duration,
    /// Cancelled when not even those are to be waited for.
    pub(crate) at_once: CancellationToken,
    /// The workers that have not done yet.
    pub(crate) busy: TaskTracker,
}

impl Ending {
    /// Not yet, and then so long.
    pub(crate) fn after(drain: Duration) -> Self {
        let busy = TaskTracker::new();
        // It waits for those who are busy, not for a word that there will be no more of them.
        busy.close();
        Self {
            stop: CancellationToken::new(),
            drain,
            at_once: CancellationToken::new(),
            busy,
        }
    }
}

impl Worker {
    /// Workers are counted from 0. `passed` are connections that others have accepted.
    pub(crate) fn new(
        index: usize,
        sockets: &[Bound],
        passed: Listener,
        common: &Arc<Common>,
    ) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let entered = runtime.enter();
        let mut listeners = vec![(passed, Door::Passed)];
        for bound in sockets {
            let door = match bound.is_local()? {
                true => Door::Local,
                false => Door::Open,
            };
            listeners.push((bound.listener()?, door));
        }
        drop(entered);
        Ok(Self {
            runtime,
            index,
            listeners,
            proxy: Arc::new(common.proxy.for_worker(index)),
            common: Arc::clone(common),
        })
    }

    /// Looks after what all workers share.
    pub(crate) fn keep_up(&self, check: Option<Check>) {
        self.runtime.spawn(Arc::clone(&self.proxy).upkeep(check));
    }

    /// Serves connections until it is to stop, then the requests under way, and stays until all who
    /// are busy have done so: idle connections to services and look-ups of their names are shared, and
    /// need the runtime of the worker that began them. `meanwhile` runs beside that.
    pub(crate) fn serve(self, ending: &Ending, meanwhile: impl Future<Output = Infallible>) {
        let (index, busy) = (self.index, ending.busy.token());
        let mut options = ServeOptions::default();
        // Those that are too many do not wait: they are closed.
        options.max_connections = usize::MAX;
        options.drain = ending.drain;
        self.runtime.block_on(async {
            if let Some(pulses) = &self.common.pulses {
                tokio::spawn(Arc::clone(pulses).beat(index));
            }
            let mut serving = JoinSet::new();
            for (listener, door) in self.listeners {
                let (proxy, common) = (Arc::clone(&self.proxy), Arc::clone(&self.common));
                let options = options.clone();
                let stop = ending.stop.clone();
                serving.spawn(async move {
                    // Their slots tell them of the end: one waker for each does for that, too.
                    let connection = |io, _| match common.admit(io, door, index) {
                        Some((io, place)) => Either::Left(Admitted {
                            served: Arc::clone(&proxy).serve_client(
                                io,
                                place.leaving(),
                                place.slot().clone(),
                                ClientStream::client,
                            ),
                            place: Some(place),
                        }),
                        None => Either::Right(ready(())),
                    };
                    let stop = async {
                        stop.cancelled().await;
                        common.slots.drain();
                    };
                    accept(listener, &options, connection, stop).await;
                });
            }
            let done = async {
                while serving.join_next().await.is_some() {}
                drop(busy);
                ending.busy.wait().await;
            };
            tokio::select! {
                () = done => {}
                () = ending.at_once.cancelled() => {}
                never = meanwhile => match never {},
            }
        });
        // A thread may still wait for a resolver.
        self.runtime.shutdown_background();
    }
}

impl Common {
    /// Has the workers serve connections that another process has accepted: that may have let in others.
    pub(crate) fn take(&self, connections: Vec<OwnedFd>) {
        for connection in connections {
            // Who has gone has no address any more.
            if let Ok(peer) = SockRef::from(&connection).peer_addr() {
                let client = peer.as_socket().map(|address| address.ip().into());
                let allowed = client.map(|client| self.admission.allows(client, Door::Local));
                if allowed.is_none_or(|allowed| self.told(allowed).is_some()) {
                    self.crew.take(connection);
                }
            }
        }
    }

    /// A connection and its place, if it is for this worker; or a word on why there is no place.
    fn admit(
        self: &Arc<Self>,
        io: Stream,
        door: Door,
        worker: usize,
    ) -> Option<(ClientStream, Place)> {
        let client = Client::of(&io)?;
        if door != Door::Passed && self.is_successors(&io) {
            // Nobody else leaves for it.
            return None;
        }
        let io = match door {
            // Whoever passed it has asked whose it is.
            Door::Passed => io,
            _ => {
                self.told(self.admission.allows(client, door))?;
                self.crew.share_out(worker, io)?
            }
        };
        let (slot, evicted) = self.told(self.slots.enter(client))?;
        if let Some(evicted) = evicted {
            self.proxy.journal.evicted(&evicted);
        }
        let place = Place::new(Arc::clone(self), slot.clone(), worker);
        Some((ClientStream::new(io, slot), place))
    }

    fn is_successors(&self, io: &Stream) -> bool {
        let process = self.successor.load(Relaxed);
        let is_its = |peer: UnixCredentials| peer.pid() == process;
        process != 0
            && matches!(io, Stream::Unix(_))
            && getsockopt(io, PeerCredentials).is_ok_and(is_its)
    }

    fn told<T>(&self, admitted: Result<T, Refusal>) -> Option<T> {
        if let Err(refusal) = &admitted {
            self.proxy.journal.turned_away(refusal);
        }
        admitted.ok()
    }
}

pin_project! {
    /// A connection that is served, and its place. It is not an async block since that would take twice
    /// the memory of what it awaits, for as long as the connection lives.
    struct Admitted<F> {
        #[pin]
        served: F,
        place: Option<Place>,
    }
}

impl<F: Future<Output = Option<ClientStream>>> Future for Admitted<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let served = ready!(this.served.poll(cx));
        if let Some(ClientStream { io, .. }) = served
            && let Some(place) = this.place.take()
        {
            place.part_with(io);
        }
        Poll::Ready(())
    }
}
