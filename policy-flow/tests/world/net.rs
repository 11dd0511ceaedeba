//! All of a world but the state machine: sockets, servers, clients, and what is known of each request.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use policy_flow::{ClientId, LinkId, Places, Shared, Slot};
use policy_ha::BackendId;

use super::{
    plan::{AskKind, Plan, Server, Service, Span},
    queue::{Event, Queue},
};

pub(crate) struct Net<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) epoch: Instant,
    pub(crate) now: Duration,
    pub(crate) queue: Queue,
    pub(crate) chance: fastrand::Rng,
    /// Of each group.
    pub(crate) shared: Vec<Shared>,
    pub(crate) places: Places,
    pub(crate) workers: Vec<Worker>,
    pub(crate) clients: Vec<Client>,
    pub(crate) requests: Vec<Request>,
    pub(crate) servers: Vec<ServerState>,
    /// Where the servers of each service begin.
    pub(crate) first_server: Vec<usize>,
    pub(crate) conns: Vec<Conn>,
    /// Of each service.
    pub(crate) listed: Vec<Listed>,
    pub(crate) is_draining: bool,
    pub(crate) broken: Option<Broken>,
    pub(crate) counts: Counts,
    /// What happened, line by line, if somebody wants to read it.
    pub(crate) story: Option<Vec<String>>,
}

/// A law is broken.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) law: &'static str,
    pub(crate) at: Duration,
    pub(crate) what: String,
}

/// What a world came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) worlds: u64,
    pub(crate) events: u64,
    pub(crate) requests: u64,
    pub(crate) answered: u64,
    pub(crate) defaults: u64,
    pub(crate) downs: u64,
    pub(crate) connects: u64,
    pub(crate) crowded: u64,
    pub(crate) harmful: u64,
    pub(crate) evicted: u64,
    pub(crate) short: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Worker {
    pub(crate) ready: Vec<Ready>,
    /// For when it is to be woken.
    pub(crate) wake_at: Option<Duration>,
    pub(crate) clients: Vec<Option<usize>>,
    pub(crate) links: Vec<Option<usize>>,
    /// The service of each slot.
    pub(crate) slots: Vec<usize>,
    /// And which of its times on the list that is.
    pub(crate) eras: Vec<u32>,
    /// Wakes in a row at one moment.
    pub(crate) in_a_row: u32,
    pub(crate) last_wake: Duration,
    pub(crate) look_ups: Vec<Option<Slot>>,
    /// The servers of each service, as far as it has heard.
    pub(crate) known: Vec<Vec<usize>>,
    /// Those that it knew before, and until when.
    pub(crate) knew: Vec<Vec<(Duration, Vec<usize>)>>,
    /// What the last attempt at each service took.
    pub(crate) took: Vec<Duration>,
}

/// What a worker has not heard of yet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ready {
    Accept(usize),
    Client(usize),
    Taken(usize),
    Connected(usize),
    Link(usize),
    LinkTakes(usize),
    Found(Slot),
    Called,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: Option<ClientId>,
    pub(crate) state: ClientState,
    pub(crate) worker: usize,
    pub(crate) chance: fastrand::Rng,
    /// On its way.
    pub(crate) wire: VecDeque<u8>,
    pub(crate) last_arrival: Duration,
    /// Come, and not read.
    pub(crate) rx: Vec<u8>,
    pub(crate) has_ended: bool,
    pub(crate) is_reset: bool,
    pub(crate) told_end: bool,
    pub(crate) is_ready: bool,
    /// Its requests, in order, and where each ends in what it sends.
    pub(crate) asked: Vec<(usize, usize)>,
    /// What is to be sent next.
    pub(crate) next_ask: usize,
    pub(crate) sent: usize,
    pub(crate) read: usize,
    /// Requests of which all has been read.
    pub(crate) whole: usize,
    pub(crate) begun: usize,
    pub(crate) replied: usize,
    /// A part of a reply has not been taken.
    pub(crate) owes: bool,
    /// It may be closed: it has done something that ends its connection.
    pub(crate) excuse: Option<&'static str>,
    /// When something was heard of it, or said to it, last.
    pub(crate) active: Duration,
    /// The last message that was answered, by which service, and which of its times on the list that was.
    pub(crate) stuck: [Option<(u8, usize, u32)>; 2],
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ClientState {
    Away,
    /// It has connected, and is not accepted yet.
    Waits,
    Served,
    Gone,
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) client: usize,
    pub(crate) kind: AskKind,
    pub(crate) message: u8,
    /// The group that it is to go to.
    pub(crate) group: usize,
    pub(crate) bytes: Vec<u8>,
    pub(crate) begun: Option<Duration>,
    pub(crate) replied: bool,
    /// Services that were up when it began, and have not gone down since.
    pub(crate) up: u64,
    /// Who is to be asked first, since it answered the last one of its message, and is up.
    pub(crate) stick: Option<usize>,
    pub(crate) is_asked: bool,
    /// Connections that it was put to, and whether it is certain that nobody read it there.
    pub(crate) sends: Vec<(usize, bool)>,
    pub(crate) reads: u32,
}

#[derive(Debug, Default)]
pub(crate) struct ServerState {
    pub(crate) serving: usize,
    pub(crate) queue: VecDeque<usize>,
    pub(crate) open: Vec<usize>,
    pub(crate) away_until: Duration,
    /// When a request killed something of it.
    pub(crate) killed: Vec<Duration>,
}

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) worker: usize,
    pub(crate) link: LinkId,
    pub(crate) service: usize,
    pub(crate) era: u32,
    pub(crate) server: usize,
    pub(crate) began: Duration,
    pub(crate) state: ConnState,
    /// The server has closed it, or does not know of it any more.
    pub(crate) is_over: bool,
    /// Bytes that are sent over it are lost.
    pub(crate) is_dead: bool,
    pub(crate) is_accepted: bool,
    pub(crate) is_ready: bool,
    pub(crate) refused: bool,
    /// A second answer may come while the next request is under way: it cannot be told from that one's answer, nor can
    /// those that follow.
    pub(crate) is_off: bool,
    /// The worker knows that it is open.
    pub(crate) told: bool,
    /// An answer to its request has not been read.
    pub(crate) is_busy: bool,
    pub(crate) was_used: bool,
    /// What is asked, and how much of that has come.
    pub(crate) request: Option<usize>,
    pub(crate) arrived: usize,
    pub(crate) wanted: usize,
    pub(crate) rest: usize,
    pub(crate) answers: u32,
    pub(crate) wire: VecDeque<u8>,
    pub(crate) last_arrival: Duration,
    pub(crate) last_to: Duration,
    pub(crate) rx: Vec<u8>,
    pub(crate) eof: bool,
    pub(crate) reset: bool,
    /// The reset says that the last byte was not read.
    pub(crate) unread: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ConnState {
    Connecting,
    Open,
    /// By us.
    Closed,
}

/// A service, as the state machine has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    /// Its place in the list.
    pub(crate) id: Option<BackendId>,
    pub(crate) since: Duration,
    /// How often it was taken off the list: then it is another one when it comes back.
    pub(crate) era: u32,
    /// Connections that workers know to be open.
    pub(crate) open: usize,
    /// And those that they open.
    pub(crate) connecting: usize,
}

impl Listed {
    pub(crate) const fn new(id: Option<BackendId>) -> Self {
        Self {
            id,
            since: Duration::ZERO,
            era: 0,
            open: 0,
            connecting: 0,
        }
    }
}

impl<'a> Net<'a> {
    pub(crate) fn service(&self, service: usize) -> &'a Service {
        &self.plan.services[service]
    }

    /// By the number that is its own in the whole world.
    pub(crate) fn server(&self, server: usize) -> &'a Server {
        let service = self.service_of(server);
        &self.plan.services[service].servers[server - self.first_server[service]]
    }

    pub(crate) fn service_of(&self, server: usize) -> usize {
        self.first_server.partition_point(|first| *first <= server) - 1
    }

    pub(crate) fn instant(&self) -> Instant {
        self.epoch + self.now
    }

    pub(crate) fn break_law(&mut self, law: &'static str, what: impl FnOnce() -> String) {
        if self.broken.is_none() {
            let (at, what) = (self.now, what());
            self.note(|| format!("!!! {law}: {what}"));
            self.broken = Some(Broken { law, at, what });
        }
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(format!("{:>12.6} {}", self.now.as_secs_f64(), line()));
        }
    }

    pub(crate) fn after(&mut self, time: Duration, event: Event) {
        self.queue.push(self.now + time, event);
    }

    /// How long a segment takes, more or less.
    pub(crate) fn delay(&mut self, way: Duration) -> Duration {
        match self.plan.jitter.as_micros() as u64 {
            0 => way,
            jitter => way + Duration::from_micros(self.chance.u64(0..=jitter)),
        }
    }

    /// A worker hears of something: it is woken now, or after its pause.
    pub(crate) fn tell(&mut self, worker: usize, ready: Ready) {
        self.workers[worker].ready.push(ready);
        self.wake(worker, self.now);
    }

    pub(crate) fn wake(&mut self, worker: usize, at: Duration) {
        let pauses = self.plan.pauses.iter();
        let mut at = at.max(self.now);
        for (_, span) in pauses.filter(|(who, _)| *who == worker) {
            if span.has(at) {
                at = span.until;
            }
        }
        let wake_at = &mut self.workers[worker].wake_at;
        if wake_at.is_none_or(|before| at < before) {
            *wake_at = Some(at);
            self.queue.push(at, Event::Wake(worker));
        }
    }

    pub(crate) fn tell_client(&mut self, client: usize) {
        let state = &mut self.clients[client];
        if state.state == ClientState::Served && !state.is_ready {
            state.is_ready = true;
            let worker = state.worker;
            self.tell(worker, Ready::Client(client));
        }
    }

    pub(crate) fn tell_link(&mut self, conn: usize) {
        let state = &mut self.conns[conn];
        if state.state == ConnState::Open && !state.is_ready {
            state.is_ready = true;
            let worker = state.worker;
            self.tell(worker, Ready::Link(conn));
        }
    }

    pub(crate) fn client_of(&self, worker: usize, id: ClientId) -> Option<usize> {
        self.workers[worker]
            .clients
            .get(id.index())
            .copied()
            .flatten()
    }

    pub(crate) fn conn_of(&self, worker: usize, id: LinkId) -> Option<usize> {
        self.workers[worker]
            .links
            .get(id.index())
            .copied()
            .flatten()
    }

    /// The counts of connections that a service has, if this one counts.
    pub(crate) fn counts_of(&mut self, conn: usize) -> Option<&mut Listed> {
        let conn = &self.conns[conn];
        let listed = &mut self.listed[conn.service];
        (listed.era == conn.era).then_some(listed)
    }

    /// Pauses of a worker in this time.
    pub(crate) fn paused(&self, worker: usize, during: Span) -> Duration {
        let pauses = self.plan.pauses.iter();
        let pauses = pauses.filter(|(who, _)| *who == worker);
        pauses.map(|(_, span)| span.share_of(during)).sum()
    }

    pub(crate) fn is_scarce(&self) -> bool {
        self.plan.scarce.iter().any(|span| span.has(self.now))
    }
}
