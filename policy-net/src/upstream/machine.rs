//! The state machine of an upstream, and what it has its tasks do.

use std::{
    fmt, io, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::Waker,
};

use policy_flow::{
    Address, AskId, BackendDriver, Connecting, Done, Event as Told, Failure, LinkId, Sent, Slot,
};
use tokio::runtime::Handle;

use super::{
    Connect, Event,
    link::{Link, LinkTask},
    resolve::LookUp,
};
use crate::{
    slab::Slab,
    small_list::SmallList,
    timer::{Ring, Timer, now},
};

/// What the clones of an upstream share.
pub(super) struct Inner<C: Connect> {
    me: Weak<Self>,
    machine: Mutex<Machine<C>>,
    timer: Timer,
}

struct Machine<C: Connect> {
    flow: policy_flow::Upstream,
    driver: Driver<C>,
}

/// What the state machine calls. What may call back is left for later, when no lock is held.
pub(super) struct Driver<C: Connect> {
    upstream: Weak<Inner<C>>,
    /// By [`Slot`].
    connects: Vec<Arc<C>>,
    links: Vec<Option<Known<C>>>,
    pub(super) waiters: Slab<Waiter>,
    pub(super) watcher: Watcher,
    later: Later,
}

struct Known<C: Connect> {
    link: Arc<Link<C::Io>>,
    connect: Arc<C>,
}

/// A request that is waited for.
#[derive(Default)]
pub(super) struct Waiter {
    pub(super) ask: Option<AskId>,
    pub(super) waker: Option<Waker>,
    pub(super) events: SmallList<Event>,
    pub(super) done: Option<Done>,
    /// There is nothing to be given up.
    pub(super) is_done: bool,
}

/// Who wants to know of what is on the way of no request.
#[derive(Default)]
pub(super) struct Watcher {
    /// Which one it is, from 1: a later one takes the place of an earlier one. 0 if there is none.
    pub(super) serial: u64,
    pub(super) is_there: bool,
    pub(super) waker: Option<Waker>,
    pub(super) events: SmallList<Event>,
}

#[derive(Default)]
struct Later {
    wakes: SmallList<Waker>,
    tasks: SmallList<Task>,
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<C: Connect> Inner<C> {
    pub(super) fn new(flow: policy_flow::Upstream, connects: Vec<Arc<C>>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            machine: Mutex::new(Machine {
                flow,
                driver: Driver {
                    upstream: Weak::clone(me),
                    connects,
                    links: Vec::new(),
                    waiters: Slab::new(),
                    watcher: Watcher::default(),
                    later: Later::default(),
                },
            }),
            timer: Timer::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Machine<C>> {
        // Nothing that holds the lock can panic half-way but a user's connection, which is given up then.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at it.
    pub(super) fn look<T>(
        &self,
        look: impl FnOnce(&policy_flow::Upstream, &mut Driver<C>) -> T,
    ) -> T {
        let Machine { flow, driver } = &mut *self.lock();
        look(flow, driver)
    }

    /// Has the state machine do something now.
    pub(super) fn with<T>(
        &self,
        act: impl FnOnce(&mut policy_flow::Upstream, &mut Driver<C>) -> T,
    ) -> T {
        let (result, later, next) = {
            let Machine { flow, driver } = &mut *self.lock();
            flow.set_now(now());
            flow.recycle();
            let result = act(flow, driver);
            while let Some(done) = flow.take_done() {
                driver.done(done);
            }
            (result, mem::take(&mut driver.later), flow.next_timer())
        };
        self.timer
            .set(next, || Weak::clone(&self.me) as Weak<dyn Ring>);
        later.run();
        result
    }
}

impl<C: Connect> Ring for Inner<C> {
    fn ring(&self) {
        self.with(|flow, driver| flow.tick(driver));
    }
}

impl<C: Connect> fmt::Debug for Inner<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.look(|_, driver| f.debug_list().entries(&driver.connects).finish())
    }
}

impl Later {
    fn run(self) {
        self.wakes.into_iter().for_each(Waker::wake);
        for task in self.tasks {
            // Outside of a runtime it is dropped, and says what has become of it.
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(task);
            }
        }
    }
}

impl<C: Connect> Driver<C> {
    /// Whether this connection has the number, which may be another's by now.
    pub(super) fn is_current(&self, id: LinkId, link: &Arc<Link<C::Io>>) -> bool {
        self.link(id).is_some_and(|other| Arc::ptr_eq(other, link))
    }

    /// How to connect to a backend that is new.
    pub(super) fn put(&mut self, slot: Slot, connect: Arc<C>) {
        match self.connects.get_mut(slot.index()) {
            Some(old) => *old = connect,
            None => self.connects.push(connect),
        }
    }

    fn link(&self, id: LinkId) -> Option<&Arc<Link<C::Io>>> {
        let known = self.links.get(id.index())?.as_ref()?;
        Some(&known.link)
    }

    fn connect_of(&self, backend: Slot) -> Option<Arc<C>> {
        self.connects.get(backend.index()).map(Arc::clone)
    }

    fn done(&mut self, done: Done) {
        if let Some(waiter) = self.waiter(done.owner) {
            waiter.done = Some(done);
            waiter.is_done = true;
        }
    }

    /// Its task is woken.
    fn waiter(&mut self, owner: u64) -> Option<&mut Waiter> {
        let waiter = self.waiters.get_mut(usize::try_from(owner).ok()?)?;
        if let Some(waker) = waiter.waker.take() {
            self.later.wakes.push(waker);
        }
        Some(waiter)
    }
}

impl<C: Connect> BackendDriver for Driver<C> {
    fn connect(
        &mut self,
        id: LinkId,
        backend: Slot,
        address: Address,
    ) -> Result<Connecting, Failure> {
        let Some(connect) = self.connect_of(backend) else {
            return Err(Failure::Peer(io::ErrorKind::NotFound.into()));
        };
        let link = Arc::new(Link::new());
        let task = LinkTask {
            upstream: Weak::clone(&self.upstream),
            connect: Arc::clone(&connect),
            id,
            link: Arc::clone(&link),
            room: 0,
            is_over: false,
        };
        if self.links.len() <= id.index() {
            self.links.resize_with(id.index() + 1, || None);
        }
        if let Some(place) = self.links.get_mut(id.index()) {
            *place = Some(Known { link, connect });
        }
        self.later.tasks.push(Box::pin(task.run(address)));
        Ok(Connecting::Pending)
    }

    fn send(&mut self, id: LinkId, bytes: &[u8]) -> Result<Sent, Failure> {
        let Some(link) = self.link(id) else {
            return Err(Failure::Peer(io::ErrorKind::NotConnected.into()));
        };
        let (sent, waker) = link.send(bytes).map_err(Failure::Local)?;
        if let Some(waker) = waker {
            self.later.wakes.push(waker);
        }
        Ok(sent)
    }

    fn close(&mut self, id: LinkId) {
        let known = self.links.get_mut(id.index()).and_then(Option::take);
        if let Some(Known { link, .. }) = known {
            self.later.wakes.push(link.close());
        }
    }

    fn resume(&mut self, id: LinkId) {
        if let Some(link) = self.link(id) {
            let waker = link.waker();
            self.later.wakes.push(waker);
        }
    }

    fn is_open(&mut self, id: LinkId) -> bool {
        let known = self.links.get(id.index()).and_then(Option::as_ref);
        known.is_some_and(|Known { link, connect }| link.is_silent(|io| connect.is_open(io)))
    }

    fn resolve(&mut self, backend: Slot) {
        let look_up = LookUp::new(Weak::clone(&self.upstream), backend);
        if let Some(connect) = self.connect_of(backend) {
            self.later.tasks.push(Box::pin(look_up.run(connect)));
        }
    }

    fn wake(&mut self, _: usize) {}

    fn event(&mut self, event: Told<'_>) {
        match &event {
            Told::Crowded { limit, .. } => {
                tracing::debug!(limit, "a backend serves fewer connections than it may have");
            }
            Told::StaleAddresses { error, .. } => {
                tracing::debug!(
                    error = *error as &dyn std::error::Error,
                    "looking up failed"
                );
            }
            _ => {}
        }
        // Who does not listen for long misses some.
        if self.watcher.is_there
            && self.watcher.events.len() < MAX_EVENTS
            && let Some(event) = Event::of(event)
        {
            self.watcher.events.push(event);
            if let Some(waker) = self.watcher.waker.take() {
                self.later.wakes.push(waker);
            }
        }
    }

    fn event_for(&mut self, owner: u64, event: Told<'_>) {
        if let Some(waiter) = self.waiter(owner)
            && let Some(event) = Event::of(event)
        {
            waiter.events.push(event);
        }
    }
}

/// The tasks of its connections end with it.
impl<C: Connect> Drop for Driver<C> {
    fn drop(&mut self) {
        for known in self.links.drain(..).flatten() {
            known.link.close().wake();
        }
    }
}

/// As many events wait for who watches.
const MAX_EVENTS: usize = 1024;
