//! Several backends as one: a request goes in, an answer comes out.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use policy_proto::{Limits, MessageDecoder, Request};

use crate::{
    AskId, BackendDriver, LinkId, Slot,
    arena::Arena,
    clock::{Clock, Time},
    slab::Slab,
    timers::Timers,
};

mod ask;
mod backend;
mod error;
mod event;
mod group;
mod link;
mod options;
mod pool;
mod status;
mod tick;
mod timed_out;
mod times;

pub use ask::budget::attempt_limit;
pub use ask::retry::Retry;
pub use backend::check::Check;
pub use backend::hash_key::HashKey;
pub use backend::probe::Probe;
pub use backend::strategy::{InvalidStrategy, Strategy};
pub use error::AttemptError;
pub use event::{Answer, CheckError, Done, Event, Exhausted, Stick};
pub use group::BackendGroup;
pub use options::{BackendConfig, UpstreamOptions};
pub use pool::shared::{Counts, MAX_WORKERS, Shared};
pub use timed_out::TimedOut;

use ask::{Ask, AskState, Kind};
use backend::Backend;
use backend::exchange::Set;
use link::memory::Memory;
use link::{Link, LinkState};
use tick::Timer;
use times::{ACCEPTED, CROWDED, FULL_PAUSE, LATE, LEARNED, OF_LATE, RACE_DELAY, SERVED, SETTLE};

/// Several backends as one, for one worker: a request is asked, attempt by attempt, until one of them has answered.
///
/// It is told what happens, and says through a [`BackendDriver`] what is to be done; what came of a request is taken
/// from [`take_done`](Self::take_done). All that happens between two calls of [`set_now`](Self::set_now) happens at one
/// moment.
///
/// The rules, and the file that each is in:
///
/// | what | where |
/// | --- | --- |
/// | who is asked next, for how long, and when a request has failed | `ask/failover.rs`, `ask/budget.rs` |
/// | which connection is used, who waits for one | `pool/permit.rs`, `pool/idle.rs` |
/// | how workers share permits | `pool/sharing.rs` |
/// | how one is opened: addresses, the race between them | `link/open.rs`, `link/race.rs`, `link/addresses.rs` |
/// | what comes over it | `link/answer.rs`, `link/connection.rs` |
/// | whose fault a failure is | `ask/blame.rs` |
/// | what looks at backends that are down | `backend/check.rs` |
/// | what becomes of a list that has changed | `backend/exchange.rs` |
/// | several lists with options of their own | `group.rs` |
#[derive(Debug)]
pub struct Upstream {
    /// Limits of an answer.
    limits: Limits,
    worker: usize,
    clock: Clock,
    timers: Timers<Timer>,
    asks: Slab<Ask>,
    links: Slab<Link>,
    backends: Vec<Backend>,
    /// What the workers share, of the first group.
    shared: Shared,
    /// The list of backends of each group, and earlier ones that requests still go by.
    groups: Vec<Set>,
    old: Vec<Set>,
    /// The number of the last list.
    lists: u32,
    work: VecDeque<Work>,
    done: VecDeque<Done>,
    /// Where an answer is read that comes whole, as a rule.
    answers: Arena,
    decoder: MessageDecoder,
    memory: Memory,
    check: Option<Check>,
    serial: u32,
    under_way: usize,
}

/// What is done before an event is over: in turn and not nested, so that one failure that leads to the next does not
/// use up the stack.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// Who waits for a connection to this backend may get one.
    Serve(Slot),
    /// This request is put to the next backend.
    Advance(u32),
}

impl Upstream {
    /// For worker number `worker`, from 0; all workers have the same `shared`, which was made of the same list.
    pub fn new(
        now: Instant,
        options: UpstreamOptions,
        backends: impl IntoIterator<Item = BackendConfig>,
        shared: &Shared,
        worker: usize,
    ) -> Self {
        let backends = backends.into_iter().map(|config| (config, None));
        let group = BackendGroup::new(options, shared, backends);
        Self::with_groups(now, group, Vec::new(), worker)
    }

    /// The same with several groups of backends: each request goes to one of them
    /// ([`ask_group`](Self::ask_group)). What an upstream has as a whole, the limits and the memory of answers, is that
    /// of the first group.
    pub fn with_groups(
        now: Instant,
        first: BackendGroup,
        others: Vec<BackendGroup>,
        worker: usize,
    ) -> Self {
        let (limits, shared) = (first.options.limits, first.shared.clone());
        let decoder = MessageDecoder::new().with_limits(limits);
        let memory = Memory::new(first.options.memory, limits);
        let mut upstream = Self {
            limits,
            worker,
            clock: Clock::new(now),
            timers: Timers::new(),
            asks: Slab::new(),
            links: Slab::new(),
            backends: Vec::new(),
            shared,
            groups: Vec::new(),
            old: Vec::new(),
            lists: 0,
            work: VecDeque::new(),
            done: VecDeque::new(),
            answers: Arena::default(),
            decoder,
            memory,
            check: None,
            serial: 0,
            under_way: 0,
        };
        upstream.list([first].into_iter().chain(others));
        upstream
    }

    /// What happens from now on happens then. Time does not go back: an earlier moment changes nothing.
    pub fn set_now(&mut self, now: Instant) {
        let mut clock = self.clock;
        clock.set(now);
        self.set_clock(clock);
    }

    /// The same, as another part of the machine has found it.
    #[inline]
    pub(crate) fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
        if self.timers.next() < clock.now {
            self.note_late_timers();
        }
    }

    /// When [`tick`](Self::tick) is to be called at the latest; `None` if nothing is waited for.
    #[must_use]
    pub fn next_timer(&self) -> Option<Instant> {
        self.clock.instant_of(self.timers.next())
    }

    pub(crate) fn next_time(&self) -> Time {
        self.timers.next()
    }

    /// Lets the numbers of connections that have ended be given to others before the next [`tick`](Self::tick). For a
    /// driver that nothing which it heard of an old one can lead to a new one.
    pub fn recycle(&mut self) {
        self.links.recycle();
    }

    /// A request is to be asked. What comes of it is found by [`take_done`](Self::take_done), perhaps at once. `owner` is
    /// any number by which the caller knows it. `stick` comes from the last answer to a request of the same message.
    pub fn ask(
        &mut self,
        request: Request,
        stick: Option<Stick>,
        owner: u64,
        driver: &mut impl BackendDriver,
    ) -> AskId {
        self.ask_group(0, None, request, stick, owner, driver)
    }

    /// The same for a request to the group with this index. It has so long, where its `deadline` is not that of the group.
    /// One to a group that there is not fails at once.
    pub fn ask_group(
        &mut self,
        group: usize,
        deadline: Option<Duration>,
        request: Request,
        stick: Option<Stick>,
        owner: u64,
        driver: &mut impl BackendDriver,
    ) -> AskId {
        let id = self.begin(group, deadline, request, stick, Kind::Request(owner));
        self.advance(id.index, driver);
        self.work_off(driver);
        id
    }

    /// A request is not wanted any more. Nothing is learned from it about the backend that it was put to. It is not found
    /// by [`take_done`](Self::take_done).
    pub fn cancel(&mut self, ask: AskId, driver: &mut impl BackendDriver) {
        if self.is_current(ask) {
            self.settle_blame(ask.index, false, driver);
            self.leave_attempt(ask.index, driver);
            self.end(ask.index);
            self.work_off(driver);
        }
    }

    /// A request that has been worked on.
    pub fn take_done(&mut self) -> Option<Done> {
        self.done.pop_front()
    }

    /// A connection that was being opened is open.
    pub fn connected(&mut self, link: LinkId, driver: &mut impl BackendDriver) {
        self.use_connected(link.0, driver);
        self.work_off(driver);
    }

    /// This has come over a connection; not more than [`room`](Self::room) said, so that memory has a limit.
    pub fn data(&mut self, link: LinkId, data: &[u8], driver: &mut impl BackendDriver) {
        self.receive(link.0, data, driver);
        self.work_off(driver);
    }

    /// The backend has closed a connection, after all that it sent.
    pub fn ended(&mut self, link: LinkId, driver: &mut impl BackendDriver) {
        self.end_link(link.0, None, driver);
        self.work_off(driver);
    }

    /// A connection failed, or could not be opened.
    pub fn link_failed(
        &mut self,
        link: LinkId,
        failure: crate::Failure,
        driver: &mut impl BackendDriver,
    ) {
        self.end_link(link.0, Some(failure), driver);
        self.work_off(driver);
    }

    /// The system has taken the rest of a request.
    pub fn link_flushed(&mut self, link: LinkId) {
        if let Some(link) = self.links.get_mut(link.0) {
            link.sent = true;
        }
    }

    /// A look-up has ended.
    pub fn resolved(
        &mut self,
        backend: Slot,
        found: Result<Vec<crate::Address>, crate::Failure>,
        driver: &mut impl BackendDriver,
    ) {
        self.take_addresses(backend, found, driver);
        self.work_off(driver);
    }

    /// Another worker has called this one ([`BackendDriver::wake`]).
    pub fn woken(&mut self, driver: &mut impl BackendDriver) {
        self.answer_call(driver);
        self.work_off(driver);
    }

    /// Looks at backends that are down from now on: one worker is to do it.
    pub fn check(&mut self, check: Check) {
        self.begin_checks(check);
    }

    /// Looks at them no more. What is under way is given up, and nothing is learned from it.
    pub fn end_checks(&mut self, driver: &mut impl BackendDriver) {
        self.stop_checks(driver);
        self.work_off(driver);
    }

    /// Closes all idle connections, at the end.
    pub fn close_idle(&mut self, driver: &mut impl BackendDriver) {
        for slot in 0..self.backends.len() {
            self.drop_idle(Slot(u32::try_from(slot).unwrap_or(u32::MAX)), driver);
        }
    }

    fn is_current(&self, id: AskId) -> bool {
        let ask = self.asks.get(id.index);
        ask.is_some_and(|ask| ask.serial == id.serial && ask.state != AskState::Free)
    }

    fn work_off(&mut self, driver: &mut impl BackendDriver) {
        while let Some(work) = self.work.pop_front() {
            match work {
                Work::Serve(slot) => self.serve(slot, driver),
                Work::Advance(ask) => self.advance(ask, driver),
            }
        }
    }
}
