//! The clients' side: bytes in, requests out, replies back.

use std::{collections::VecDeque, time::Instant};

use bytes::BytesMut;
use policy_proto::{MessageDecoder, Request};

use crate::{
    ClientDriver, ClientId,
    arena::Arena,
    clock::{Clock, Time},
    slab::Slab,
    timers::Timers,
};

mod client;
mod close;
mod event;
mod evict;
mod framing;
mod limits;
mod memory;
mod options;
mod queue;
mod reply;
mod request;
mod short;
mod stick;
mod wait;

pub use event::{ClientError, ClientEvent, Waiting};
pub use limits::{Peer, PlaceLimits, Places, Refusal};
pub use memory::RequestMemory;
pub use options::{ClientOptions, ClientTimes};

use client::{Client, State};
use evict::EvictionCandidates;
use memory::UsedMemory;
pub(crate) use stick::NO_GROUP;

use queue::Queue;
use wait::{WAITS, Wait};

/// The clients of one worker.
///
/// It is told what happens, and says through a [`ClientDriver`] what is to be done; a request that has come whole is
/// taken from [`take_request`](Self::take_request), and its reply goes to [`reply`](Self::reply). [`Flow`](crate::Flow)
/// puts requests to backends; a policy server of its own answers them.
///
/// A connection is between two requests, in the middle of one, waiting for memory, or its request is worked on, or its
/// reply is not taken whole. One that is idle holds no buffer.
///
/// ```
/// use policy_flow::{ClientDriver, ClientEvent, ClientId, ClientOptions, Clients, Peer, PlaceLimits, Places, Sent};
/// use policy_proto::Response;
/// use std::{io, time::Instant};
///
/// /// A network of one client.
/// #[derive(Default)]
/// struct Driver(Vec<u8>);
///
/// impl ClientDriver for Driver {
///     fn send_client(&mut self, _: ClientId, bytes: &[u8]) -> io::Result<Sent> {
///         self.0.extend_from_slice(bytes);
///         Ok(Sent::All)
///     }
///     fn close_client(&mut self, _: ClientId) {}
///     fn leave_client(&mut self, _: ClientId) {}
///     fn resume_client(&mut self, _: ClientId) {}
///     fn has_bytes(&mut self, _: ClientId) -> bool {
///         false
///     }
///     fn client_event(&mut self, _: ClientEvent<'_>) {}
/// }
///
/// let places = Places::new(PlaceLimits { all: 100, per_address: None, per_user: None });
/// let mut clients = Clients::new(Instant::now(), ClientOptions::default(), places);
/// let mut driver = Driver::default();
/// let client = clients.accept(Peer::User(0), &mut driver)?;
/// clients.data(client, b"request=smtpd_acc", &mut driver);
/// assert!(clients.take_request().is_none(), "it has not come whole");
/// clients.data(client, b"ess_policy\n\n", &mut driver);
/// let (client, request) = clients.take_request().expect("it has come whole");
/// assert!(request.is_access_policy());
/// clients.reply(client, &Response::dunno(), &mut driver);
/// assert_eq!(driver.0, b"action=DUNNO\n\n");
/// # Ok::<(), policy_flow::Refusal>(())
/// ```
#[derive(Debug)]
pub struct Clients {
    options: ClientOptions,
    places: Places,
    clock: Clock,
    timers: Timers<Timer>,
    slab: Slab<Client>,
    queues: [Queue; WAITS],
    memory: UsedMemory,
    /// When it is looked for memory that others have given back.
    memory_at: Time,
    /// Requests that have had to wait for memory so far, and those that wait.
    waits: (u64, usize),
    eviction: EvictionCandidates,
    /// Requests that have come whole.
    ready: VecDeque<(ClientId, Request)>,
    arena: Arena,
    decoder: MessageDecoder,
    out: BytesMut,
    count: usize,
    is_draining: bool,
    /// The rest of a request is not waited for as long as else.
    is_hurried: bool,
}

/// What rings.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Timer {
    Wait(Wait),
    /// Memory may have become free that others had.
    Memory,
}

impl Clients {
    /// Without clients.
    #[must_use]
    pub fn new(now: Instant, options: ClientOptions, places: Places) -> Self {
        Self {
            places,
            clock: Clock::new(now),
            timers: Timers::new(),
            slab: Slab::new(),
            queues: [const { Queue::new() }; WAITS],
            memory: UsedMemory::new(RequestMemory::new(options.memory)),
            memory_at: Time::NEVER,
            waits: (0, 0),
            eviction: EvictionCandidates::new(),
            ready: VecDeque::new(),
            arena: Arena::default(),
            decoder: options.decoder(),
            out: BytesMut::new(),
            count: 0,
            is_draining: false,
            is_hurried: false,
            options,
        }
    }

    /// The same with memory that the workers of a process share.
    #[must_use]
    pub fn with_memory(mut self, memory: RequestMemory) -> Self {
        self.memory = UsedMemory::new(memory);
        self
    }

    /// What happens from now on happens then.
    pub fn set_now(&mut self, now: Instant) {
        self.clock.set(now);
    }

    pub(crate) const fn clock(&self) -> Clock {
        self.clock
    }

    /// When [`tick`](Self::tick) is to be called at the latest.
    #[must_use]
    pub fn next_timer(&self) -> Option<Instant> {
        self.clock.instant_of(self.timers.next())
    }

    pub(crate) fn next_time(&self) -> Time {
        self.timers.next()
    }

    pub(crate) const fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// Does what time brings: to be called after all that has been heard until now was reported.
    pub fn tick(&mut self, driver: &mut impl ClientDriver) {
        let now = self.clock.now;
        while let Some((_, timer)) = self.timers.ring(now) {
            let Timer::Wait(wait) = timer else {
                self.look_for_memory(driver);
                continue;
            };
            self.queue(wait).armed = Time::NEVER;
            while let Some(first) = self.queue(wait).first()
                && self.time_is_over(first, wait)
            {
                self.time_out(first, wait, driver);
            }
            self.arm(wait);
        }
        if self.is_draining {
            // Accepted since, and nothing has come of them.
            self.leave_idle(driver);
        }
        self.slab.recycle();
    }

    /// Lets the numbers of clients that have ended be given to others before the next [`tick`](Self::tick). For a driver
    /// that nothing which it heard of an old one can lead to a new one.
    pub fn recycle(&mut self) {
        self.slab.recycle();
    }

    /// A client has connected.
    ///
    /// # Errors
    ///
    /// There is no place for it: it is to be closed. Where another client lost its place for it, that is closed.
    pub fn accept(
        &mut self,
        peer: Peer,
        driver: &mut impl ClientDriver,
    ) -> Result<ClientId, Refusal> {
        self.take_place(peer, driver)?;
        let id = self.slab.take(Client::new);
        if let Some(client) = self.slab.get_mut(id) {
            client.peer = peer;
            client.has_ended = false;
            client.message = None;
            client.stick = None;
            client.others = None;
            client.listener = 0;
        }
        self.count += 1;
        self.wait(id, Wait::Idle);
        Ok(ClientId(id))
    }

    /// How many bytes may be read from a client now. While its request is worked on there is room for some, which are
    /// kept for later: a driver that learns in another way that a client has gone need not read them
    /// ([`is_reading`](Self::is_reading)).
    #[must_use]
    pub fn room(&self, client: ClientId) -> usize {
        self.room_of(client.0)
    }

    /// Whether a client is between two requests, and nothing has come of the next one.
    #[must_use]
    pub fn is_idle(&self, client: ClientId) -> bool {
        self.state(client.0) == State::Idle
    }

    /// Whether something of a client is waited for.
    #[must_use]
    pub fn is_reading(&self, client: ClientId) -> bool {
        let client = self.slab.get(client.0);
        client.is_some_and(|client| matches!(client.state, State::Idle | State::Rest))
    }

    /// How many clients are connected.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether none is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of memory that are counted, those of other workers among them where it is
    /// [shared](Self::with_memory).
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory.used()
    }

    /// Clients that wait for memory.
    #[must_use]
    pub const fn short_of_memory(&self) -> usize {
        self.waits.1
    }

    /// Requests that have had to wait for memory so far.
    #[must_use]
    pub const fn memory_waits(&self) -> u64 {
        self.waits.0
    }

    fn state(&self, id: u32) -> State {
        self.slab.get(id).map_or(State::Free, |client| client.state)
    }

    fn set(&mut self, id: u32, state: State) {
        if let Some(client) = self.slab.get_mut(id) {
            client.state = state;
        }
    }
}
