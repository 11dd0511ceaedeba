//! The driver of the state machine for an upstream: what is done at once, and what is deferred to tasks.

use std::{io, mem, sync::Arc, task::Waker};

use policy_flow::{
    Address, Answer, AskId, BackendDriver, Connecting, Done, Event as FlowEvent, Failure, LinkId,
    Sent, Slot,
};

use super::{Attempt, Connect, Event, Exhausted, backend::Target, link::Link};
use crate::{slab::Slab, small_list::SmallList};

/// The driver of the state machine. Calls that may call back are deferred until no lock is held.
pub(super) struct Driver<C: Connect> {
    /// By [`Slot`].
    targets: Vec<Target<C>>,
    links: Vec<Option<Known<C>>>,
    pub(super) waiters: Slab<Waiter>,
    pub(super) watcher: Watcher,
    deferred: Deferred<C>,
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
    pub(super) done: Option<Result<Answer, Exhausted>>,
    /// There is nothing to be given up.
    pub(super) is_done: bool,
}

/// The listener for events that are on the way of no request.
#[derive(Default)]
pub(super) struct Watcher {
    /// Which one it is, from 1: a later one takes the place of an earlier one. 0 if there is none.
    pub(super) serial: u64,
    pub(super) is_there: bool,
    pub(super) waker: Option<Waker>,
    pub(super) events: SmallList<Event>,
}

/// Work that is done once no lock is held.
pub(super) struct Deferred<C: Connect> {
    pub(super) wakes: SmallList<Waker>,
    pub(super) tasks: SmallList<Task<C>>,
}

/// Work that needs a task of its own.
pub(super) enum Task<C: Connect> {
    /// A connection is to be opened to this address, and read from.
    Connect {
        id: LinkId,
        link: Arc<Link<C::Io>>,
        connect: Arc<C>,
        address: Address,
    },
    /// The addresses of a backend are to be looked up.
    LookUp { backend: Slot, connect: Arc<C> },
}

impl<C: Connect> Default for Deferred<C> {
    fn default() -> Self {
        Self {
            wakes: SmallList::default(),
            tasks: SmallList::default(),
        }
    }
}

impl<C: Connect> Driver<C> {
    pub(super) fn new(targets: Vec<Target<C>>) -> Self {
        Self {
            targets,
            links: Vec::new(),
            waiters: Slab::new(),
            watcher: Watcher::default(),
            deferred: Deferred::default(),
        }
    }

    /// Whether this connection has the number, which may be another's by now.
    pub(super) fn is_current(&self, id: LinkId, link: &Arc<Link<C::Io>>) -> bool {
        self.link(id).is_some_and(|other| Arc::ptr_eq(other, link))
    }

    /// A backend that is new.
    pub(super) fn put(&mut self, slot: Slot, target: Target<C>) {
        match self.targets.get_mut(slot.index()) {
            Some(old) => *old = target,
            None => self.targets.push(target),
        }
    }

    /// A backend that stays, by another name.
    pub(super) fn rename(&mut self, slot: Slot, name: Arc<str>) {
        if let Some(target) = self.targets.get_mut(slot.index()) {
            target.name = name;
        }
    }

    pub(super) fn name(&self, slot: Slot) -> Option<Arc<str>> {
        let target = self.targets.get(slot.index())?;
        Some(Arc::clone(&target.name))
    }

    pub(super) fn targets(&self) -> &[Target<C>] {
        &self.targets
    }

    pub(super) fn take_deferred(&mut self) -> Deferred<C> {
        mem::take(&mut self.deferred)
    }

    fn link(&self, id: LinkId) -> Option<&Arc<Link<C::Io>>> {
        let known = self.links.get(id.index())?.as_ref()?;
        Some(&known.link)
    }

    fn connect_of(&self, backend: Slot) -> Option<Arc<C>> {
        let target = self.targets.get(backend.index())?;
        Some(Arc::clone(&target.connect))
    }

    pub(super) fn done(&mut self, done: Done) {
        let result = done.result.map_err(|exhausted| self.named(exhausted));
        if let Some(waiter) = self.waiter(done.owner) {
            waiter.done = Some(result);
            waiter.is_done = true;
        }
    }

    fn named(&self, exhausted: policy_flow::Exhausted) -> Exhausted {
        let attempts = exhausted.attempts.into_iter();
        Exhausted::new(attempts.map(|(backend, error)| {
            let target = self.targets.get(backend.index());
            let name = target.map_or_else(|| Arc::from("?"), |target| Arc::clone(&target.name));
            let mut attempt = Attempt::new(backend, name, error);
            attempt.place = target.and_then(|target| target.place.clone());
            attempt
        }))
    }

    /// Its task is woken.
    fn waiter(&mut self, owner: u64) -> Option<&mut Waiter> {
        let waiter = self.waiters.get_mut(usize::try_from(owner).ok()?)?;
        if let Some(waker) = waiter.waker.take() {
            self.deferred.wakes.push(waker);
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
        self.deferred.tasks.push(Task::Connect {
            id,
            link: Arc::clone(&link),
            connect: Arc::clone(&connect),
            address,
        });
        if self.links.len() <= id.index() {
            self.links.resize_with(id.index() + 1, || None);
        }
        if let Some(place) = self.links.get_mut(id.index()) {
            *place = Some(Known { link, connect });
        }
        Ok(Connecting::Pending)
    }

    fn send(&mut self, id: LinkId, bytes: &[u8]) -> Result<Sent, Failure> {
        let Some(link) = self.link(id) else {
            return Err(Failure::Peer(io::ErrorKind::NotConnected.into()));
        };
        let (sent, waker) = link.send(bytes).map_err(Failure::Local)?;
        if let Some(waker) = waker {
            self.deferred.wakes.push(waker);
        }
        Ok(sent)
    }

    fn close(&mut self, id: LinkId) {
        let known = self.links.get_mut(id.index()).and_then(Option::take);
        if let Some(Known { link, .. }) = known {
            self.deferred.wakes.push(link.close());
        }
    }

    fn resume(&mut self, id: LinkId) {
        if let Some(link) = self.link(id) {
            let waker = link.waker();
            self.deferred.wakes.push(waker);
        }
    }

    fn is_open(&mut self, id: LinkId) -> bool {
        let known = self.links.get(id.index()).and_then(Option::as_ref);
        known.is_some_and(|Known { link, connect }| link.is_silent(|io| connect.is_open(io)))
    }

    fn resolve(&mut self, backend: Slot) {
        if let Some(connect) = self.connect_of(backend) {
            self.deferred.tasks.push(Task::LookUp { backend, connect });
        }
    }

    fn wake(&mut self, _: usize) {}

    fn event(&mut self, event: FlowEvent<'_>) {
        match &event {
            FlowEvent::Crowded { limit, .. } => {
                tracing::debug!(limit, "a backend serves fewer connections than it may have");
            }
            FlowEvent::StaleAddresses { error, .. } => {
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
                self.deferred.wakes.push(waker);
            }
        }
    }

    fn event_for(&mut self, owner: u64, event: FlowEvent<'_>) {
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
