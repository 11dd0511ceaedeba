//! The clients' side: bytes in, requests out, replies back.

use std::{collections::VecDeque, time::Instant};

use bytes::BytesMut;
use policy_proto::{DecodeError, Decoder, Request, Response};

use crate::{
    AskId, ClientDriver, ClientId, Sent, Stick,
    arena::Arena,
    clock::{Clock, Time},
    slab::Slab,
    timers::Timers,
};

mod admission;
mod client;
mod event;
mod evict;
mod framing;
mod memory;
mod options;
mod queue;
mod short;

pub use admission::{Peer, PlaceLimits, Places, Refusal};
pub use event::{ClientError, ClientEvent, Waiting};
pub use memory::RequestMemory;
pub use options::ClientOptions;

use client::{Client, State};
use evict::Victims;
use queue::Queue;

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
/// assert_eq!(driver.0, b"action=dunno\n\n");
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
    memory: RequestMemory,
    /// When it is looked for memory that others have given back.
    memory_at: Time,
    /// Requests that have had to wait for memory so far, and those that wait.
    waits: (u64, usize),
    victims: Victims,
    /// Requests that have come whole.
    ready: VecDeque<(ClientId, Request)>,
    arena: Arena,
    decoder: Decoder,
    out: BytesMut,
    count: usize,
    is_draining: bool,
}

/// What rings.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Timer {
    Wait(Wait),
    /// Memory may have become free that others had.
    Memory,
}

/// What clients wait for, each in a queue of its own.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Wait {
    /// For their next request.
    Idle,
    /// For the rest of one, which is theirs to send.
    Rest,
    /// For memory.
    Short,
    /// For memory for the rest of a large request.
    ShortLarge,
    /// To take their reply.
    Reply,
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
            memory: RequestMemory::new(options.memory),
            memory_at: Time::NEVER,
            waits: (0, 0),
            victims: Victims::new(),
            ready: VecDeque::new(),
            arena: Arena::default(),
            decoder: options.decoder(),
            out: BytesMut::new(),
            count: 0,
            is_draining: false,
            options,
        }
    }

    /// The same with memory that the workers of a process share.
    #[must_use]
    pub fn with_memory(mut self, memory: RequestMemory) -> Self {
        self.memory = memory;
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
                self.is_late(first, wait, driver);
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

    /// This has come from a client; not more than [`room`](Self::room) said, so that memory has a limit.
    pub fn data(&mut self, client: ClientId, data: &[u8], driver: &mut impl ClientDriver) {
        let id = client.0;
        let Some(client) = self.slab.get_mut(id) else {
            return;
        };
        if client.state == State::Idle && data.first().is_some_and(|byte| *byte > b'\r') {
            // As a rule.
            return self.begins(id, data, driver);
        }
        match client.state {
            State::Free => {}
            // A blank line begins no request, needs no memory, and does not keep a client from being idle.
            State::Idle if without_blank_lines(data).is_empty() => {}
            State::Idle => self.begins(id, data, driver),
            State::Rest => {
                if let Some(partial) = &mut client.partial {
                    partial.buf.extend_from_slice(data);
                }
                let decoded = self.go_on(id, driver);
                self.decoded(id, decoded, Some(Wait::Rest), driver);
            }
            _ => self.keep(id, data),
        }
    }

    /// A request begins, and is whole as a rule.
    fn begins(&mut self, id: u32, data: &[u8], driver: &mut impl ClientDriver) {
        self.unwait(id, Wait::Idle);
        if !self.memory.take_usual() {
            return self.fall_short(id, data, driver);
        }
        if let Some(client) = self.slab.get_mut(id) {
            client.usual = true;
        }
        let decoded = self.begin_request(id, data, driver);
        self.decoded(id, decoded, None, driver);
    }

    /// A client will send no more: all that it sent has been reported. It may still wait for its reply.
    pub fn ended(&mut self, client: ClientId, driver: &mut impl ClientDriver) {
        let id = client.0;
        let Some(client) = self.slab.get_mut(id) else {
            return;
        };
        client.has_ended = true;
        match client.state {
            State::Idle => self.close(id, driver),
            State::Rest => {
                self.report_rest(id, driver);
                self.cut_off(id, driver);
            }
            _ => {}
        }
    }

    /// A client has gone: its connection was reset, or both of its ways are closed. The request that was worked on for it,
    /// if backends are asked.
    pub fn gone(&mut self, client: ClientId, driver: &mut impl ClientDriver) -> Option<AskId> {
        let ask = self.slab.get_mut(client.0)?.ask.take();
        self.close(client.0, driver);
        ask
    }

    /// The system has taken the rest of a reply.
    pub fn flushed(&mut self, client: ClientId, driver: &mut impl ClientDriver) {
        if self.state(client.0) == State::Replying {
            self.unwait(client.0, Wait::Reply);
            self.replied(client.0, driver);
        }
    }

    /// A request that has come whole, and whose it is. Each is to be [replied](Self::reply) to, or its client
    /// [closed](Self::end).
    pub fn take_request(&mut self) -> Option<(ClientId, Request)> {
        self.ready.pop_front()
    }

    /// Replies to the request of a client. Nothing happens if it has gone.
    pub fn reply(&mut self, client: ClientId, response: &Response, driver: &mut impl ClientDriver) {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        response.encode(&mut out);
        self.reply_with(client, &out, driver);
        self.out = out;
    }

    /// The same with bytes that need not be a reply of the protocol.
    pub fn reply_with(&mut self, client: ClientId, bytes: &[u8], driver: &mut impl ClientDriver) {
        let id = client.0;
        if self.state(id) != State::Busy {
            return;
        }
        match driver.send_client(client, bytes) {
            Ok(Sent::All) => self.replied(id, driver),
            Ok(Sent::Part) => {
                self.set(id, State::Replying);
                self.wait(id, Wait::Reply);
            }
            Err(_) => self.close(id, driver),
        }
    }

    /// What has come of a client's request that has not come whole.
    pub(crate) fn received(&self, client: ClientId) -> &[u8] {
        let client = self
            .slab
            .get(client.0)
            .filter(|client| client.state == State::Rest);
        let partial = client.and_then(|client| client.partial.as_ref());
        partial.map_or(&[], |partial| &partial.buf[..])
    }

    /// Closes the connection of a client whose request begins as one of another protocol.
    pub(crate) fn refuse_foreign(
        &mut self,
        client: ClientId,
        received: &[u8],
        driver: &mut impl ClientDriver,
    ) {
        if let Some(Client { peer, .. }) = self.slab.get(client.0) {
            driver.client_event(ClientEvent::Refused {
                client,
                peer: *peer,
                error: None,
                received,
            });
        }
        self.close(client.0, driver);
    }

    /// Closes the connection of a client.
    pub fn end(&mut self, client: ClientId, driver: &mut impl ClientDriver) {
        self.close(client.0, driver);
    }

    /// From now on each connection ends as soon as it is between two requests, those that are accepted later as well.
    pub fn drain(&mut self, driver: &mut impl ClientDriver) {
        self.is_draining = true;
        self.leave_idle(driver);
    }

    fn leave_idle(&mut self, driver: &mut impl ClientDriver) {
        while let Some(id) = self.queue(Wait::Idle).first() {
            self.leave(id, driver);
        }
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

    /// The client's request is put to backends.
    pub(crate) fn set_ask(&mut self, client: ClientId, ask: AskId) {
        if let Some(client) = self.slab.get_mut(client.0) {
            client.ask = Some(ask);
        }
    }

    /// Whom the next request of a client is to be put to: who answered the last one, if that was about the same message.
    pub(crate) fn stick(&mut self, client: ClientId, message: Option<u64>) -> Option<Stick> {
        let client = self.slab.get_mut(client.0)?;
        if message.is_none() || client.message != message {
            client.message = message;
            client.stick = None;
        }
        client.stick
    }

    /// The request of a client has been answered by this backend, or not at all.
    pub(crate) fn set_stick(&mut self, client: ClientId, stick: Option<Stick>) {
        if let Some(client) = self.slab.get_mut(client.0) {
            client.ask = None;
            client.stick = stick.filter(|_| client.message.is_some());
        }
    }

    /// What has come of a request: it waits for the rest, unless `waits` says that it does so already.
    fn decoded(
        &mut self,
        id: u32,
        decoded: Result<Option<Request>, DecodeError>,
        waits: Option<Wait>,
        driver: &mut impl ClientDriver,
    ) {
        match decoded {
            Ok(Some(request)) => {
                if let Some(wait) = waits {
                    self.unwait(id, wait);
                }
                self.set(id, State::Busy);
                let now = self.clock.now;
                if let Some(client) = self.slab.get_mut(id) {
                    client.since = now;
                }
                self.ready.push_back((ClientId(id), request));
            }
            Ok(None) if self.has_begun(id) => {
                if waits.is_none() {
                    self.set(id, State::Rest);
                    self.wait(id, Wait::Rest);
                }
                if self.is_large(id) {
                    self.take_large(id, driver);
                }
            }
            Ok(None) => {
                if let Some(wait) = waits {
                    self.unwait(id, wait);
                }
                self.rest(id, driver);
            }
            Err(error) => self.refuse(id, &ClientError::Decode(error), driver),
        }
    }

    /// A client is between two requests.
    fn rest(&mut self, id: u32, driver: &mut impl ClientDriver) {
        self.give_back_memory(id, driver);
        self.set(id, State::Idle);
        self.wait(id, Wait::Idle);
        let Some(client) = self.slab.get(id) else {
            return;
        };
        match (client.has_ended, self.is_draining) {
            (true, _) => self.close(id, driver),
            (false, true) => self.leave(id, driver),
            (false, false) => {}
        }
    }

    /// A reply has been sent: there may be a next request.
    fn replied(&mut self, id: u32, driver: &mut impl ClientDriver) {
        let decoded = self.go_on(id, driver);
        let has_ended = self.slab.get(id).is_some_and(|client| client.has_ended);
        if has_ended && matches!(decoded, Ok(None)) {
            return self.cut_off(id, driver);
        }
        self.give_back_large(id, driver);
        self.decoded(id, decoded, None, driver);
        if self.is_reading(ClientId(id)) {
            driver.resume_client(ClientId(id));
        }
    }

    fn has_begun(&self, id: u32) -> bool {
        self.slab
            .get(id)
            .is_some_and(|client| client.partial.is_some())
    }

    /// Keeps what has come while a request is worked on.
    #[cold]
    fn keep(&mut self, id: u32, data: &[u8]) {
        let decoder = self.options.decoder();
        if let Some(client) = self.slab.get_mut(id) {
            let partial = client.partial.get_or_insert_with(|| {
                Box::new(client::Partial {
                    decoder,
                    buf: BytesMut::new(),
                })
            });
            partial.buf.extend_from_slice(data);
        }
    }

    /// A client has waited for too long.
    #[cold]
    fn is_late(&mut self, id: u32, wait: Wait, driver: &mut impl ClientDriver) {
        match wait {
            Wait::Idle => self.close(id, driver),
            Wait::Rest => self.refuse(id, &ClientError::TooSlow, driver),
            Wait::Reply => self.refuse(id, &ClientError::Unread, driver),
            Wait::Short | Wait::ShortLarge => self.refuse(id, &ClientError::NoMemory, driver),
        }
    }

    /// A client has ended, and what it sent last may be a part of a request.
    fn cut_off(&mut self, id: u32, driver: &mut impl ClientDriver) {
        let partial = self.slab.get(id).and_then(|client| client.partial.as_ref());
        match partial.map_or(Ok(()), |partial| partial.decoder.finish(&partial.buf)) {
            Ok(()) => self.close(id, driver),
            Err(error) => self.refuse(id, &ClientError::Decode(error), driver),
        }
    }

    /// Closes a connection, and says why.
    #[cold]
    fn refuse(&mut self, id: u32, error: &ClientError, driver: &mut impl ClientDriver) {
        if let Some(client) = self.slab.get(id) {
            let partial = client.partial.as_ref();
            driver.client_event(ClientEvent::Refused {
                client: ClientId(id),
                peer: client.peer,
                error: Some(error),
                received: partial.map_or(&[], |partial| &partial.buf[..]),
            });
        }
        self.close(id, driver);
    }

    #[cold]
    fn close(&mut self, id: u32, driver: &mut impl ClientDriver) {
        if self.forget(id) {
            driver.close_client(ClientId(id));
            self.serve_short(driver);
        }
    }

    #[cold]
    fn leave(&mut self, id: u32, driver: &mut impl ClientDriver) {
        if self.forget(id) {
            driver.leave_client(ClientId(id));
            self.serve_short(driver);
        }
    }

    /// Nothing of a client is left but its number.
    #[cold]
    fn forget(&mut self, id: u32) -> bool {
        let state = self.state(id);
        let wait = match state {
            State::Free => return false,
            State::Idle => Some(Wait::Idle),
            State::Rest => Some(Wait::Rest),
            State::Short => Some(Wait::Short),
            State::ShortLarge => Some(Wait::ShortLarge),
            State::Replying => Some(Wait::Reply),
            State::Busy => None,
        };
        if let Some(wait) = wait {
            self.unwait(id, wait);
        }
        if state == State::Busy {
            self.ready.retain(|(client, _)| client.0 != id);
        }
        if let Some(client) = self.slab.get_mut(id) {
            client.state = State::Free;
            client.partial = None;
            client.ask = None;
            if std::mem::take(&mut client.usual) {
                self.memory.give_back_usual();
            }
            self.memory
                .give_back_large(std::mem::take(&mut client.large));
            self.places.give_back(client.peer.origin());
        }
        self.count -= 1;
        self.slab.free(id);
        true
    }

    fn state(&self, id: u32) -> State {
        self.slab.get(id).map_or(State::Free, |client| client.state)
    }

    fn set(&mut self, id: u32, state: State) {
        if let Some(client) = self.slab.get_mut(id) {
            client.state = state;
        }
    }

    fn queue(&mut self, wait: Wait) -> &mut Queue {
        &mut self.queues[wait as usize]
    }

    fn wait(&mut self, id: u32, wait: Wait) {
        if wait == Wait::Idle {
            self.set(id, State::Idle);
        }
        let now = self.clock.now;
        self.queues[wait as usize].push(&mut self.slab, id, now);
        self.arm(wait);
        self.victims.waits |= wait == Wait::Rest;
        if matches!(wait, Wait::Short | Wait::ShortLarge) {
            self.waits.0 += 1;
            self.waits.1 += 1;
            self.arm_memory();
        }
    }

    fn unwait(&mut self, id: u32, wait: Wait) {
        self.queues[wait as usize].remove(&mut self.slab, id);
        if matches!(wait, Wait::Short | Wait::ShortLarge) {
            self.waits.1 -= 1;
        }
        // It is in no queue, whatever ends it next.
        self.set(id, State::Busy);
    }

    /// Its timer rings when the time of the first one is over, at the latest.
    #[inline]
    fn arm(&mut self, wait: Wait) {
        if self.queues[wait as usize].armed == Time::NEVER {
            self.arm_first(wait);
        }
    }

    #[cold]
    fn arm_first(&mut self, wait: Wait) {
        let time = self.time_for(wait);
        let queue = &mut self.queues[wait as usize];
        if let Some(first) = queue.first().and_then(|first| self.slab.get(first)) {
            let at = first.since.after(time);
            self.timers.arm(&mut queue.armed, at, Timer::Wait(wait));
        }
    }

    fn time_is_over(&self, id: u32, wait: Wait) -> bool {
        let time = self.time_for(wait);
        let client = self.slab.get(id);
        client.is_some_and(|client| client.since.after(time) <= self.clock.now)
    }

    const fn time_for(&self, wait: Wait) -> std::time::Duration {
        match wait {
            Wait::Idle => self.options.idle,
            Wait::Rest | Wait::Reply => self.options.request,
            Wait::Short | Wait::ShortLarge => self.options.memory_wait,
        }
    }
}

fn without_blank_lines(mut data: &[u8]) -> &[u8] {
    while let [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] = data {
        data = rest;
    }
    data
}

const WAITS: usize = 5;
