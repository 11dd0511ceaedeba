//! The plan of a world: all that is decided before it runs, so that parts of it can be taken out.

use std::time::Duration;

use policy_flow::{Retry, Strategy};

use super::trouble::Trouble;

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// For what happens by chance while it runs: delays and cuts of the network.
    pub(crate) seed: u64,
    pub(crate) settings: Settings,
    pub(crate) workers: usize,
    /// The most that a segment is delayed beyond its way.
    pub(crate) jitter: Duration,
    /// The most by which a worker is late when a time-out wakes it.
    pub(crate) late: Duration,
    pub(crate) clients: Vec<Client>,
    pub(crate) services: Vec<Service>,
    /// Services belong to so many groups in turn, and the requests of each client go to them in turn.
    pub(crate) groups: usize,
    /// A worker stands still.
    pub(crate) pauses: Vec<(usize, Span)>,
    /// There is no descriptor left for a connection to a backend.
    pub(crate) scarce: Vec<Span>,
    pub(crate) drain: Option<Duration>,
    /// The list of services is exchanged for the one without these.
    pub(crate) exchanges: Vec<(Duration, u64)>,
}

impl Plan {
    /// The group of a service. Where too few are left for two groups there is one.
    pub(crate) fn group_of(&self, service: usize) -> usize {
        service % self.groups()
    }

    pub(crate) fn groups(&self) -> usize {
        self.groups.min(self.services.len()).max(1)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) retry: Retry,
    pub(crate) strategy: Strategy,
    pub(crate) deadline: Duration,
    pub(crate) connect: Option<Duration>,
    pub(crate) wait: Duration,
    pub(crate) last_resort: Duration,
    pub(crate) max_connections: usize,
    pub(crate) max_opening: usize,
    pub(crate) max_age: Duration,
    pub(crate) max_failures: u32,
    pub(crate) answer_memory: Option<usize>,
    /// Whether a request that nobody answers is replied to.
    pub(crate) default: bool,
    pub(crate) affinity: bool,
    pub(crate) idle: Duration,
    pub(crate) request: Duration,
    pub(crate) memory_wait: Duration,
    pub(crate) memory: Option<usize>,
    pub(crate) places: usize,
    pub(crate) per_user: Option<usize>,
    /// How often services that are down are looked at.
    pub(crate) check: Option<Duration>,
    /// By a request of its own, and not only by a connection.
    pub(crate) probes: bool,
    /// Whether a client is read from while its request is worked on.
    pub(crate) reads_ahead: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retry: Retry::Always,
            strategy: Strategy::RoundRobin,
            deadline: secs(90),
            connect: Some(secs(3)),
            wait: secs(1),
            last_resort: secs(3),
            max_connections: 100,
            max_opening: 5,
            max_age: secs(300),
            max_failures: 1,
            answer_memory: None,
            default: true,
            affinity: true,
            idle: secs(1200),
            request: secs(30),
            memory_wait: secs(90),
            memory: None,
            places: 1000,
            per_user: None,
            check: None,
            probes: false,
            reads_ahead: true,
        }
    }
}

/// From when on, and until when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Span {
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

impl Span {
    pub(crate) fn new(from: Duration, lasts: Duration) -> Self {
        Self {
            from,
            until: from + lasts,
        }
    }

    pub(crate) fn has(self, now: Duration) -> bool {
        self.from <= now && now < self.until
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.from <= other.until && other.from <= self.until
    }

    /// How much of the other one lies in this.
    pub(crate) fn share_of(self, other: Self) -> Duration {
        let (from, until) = (self.from.max(other.from), self.until.min(other.until));
        until.saturating_sub(from)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) at: Duration,
    pub(crate) user: u32,
    /// Sends its requests without waiting for replies.
    pub(crate) pipelines: bool,
    pub(crate) cut: Cut,
    pub(crate) asks: Vec<Ask>,
    pub(crate) reads: Reads,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cut {
    Whole,
    /// Somewhere, with this between the two.
    Once(Duration),
    /// Each of so many bytes, with this between them.
    Pieces(usize, Duration),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// After the reply to the last one, or, pipelined, after that was sent.
    pub(crate) think: Duration,
    pub(crate) kind: AskKind,
    /// The message that it belongs to.
    pub(crate) message: u8,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AskKind {
    Policy,
    /// The server that reads it closes the connection, and is gone for a moment if `Server::dies`.
    Poison,
    /// With so many bytes more than usual.
    Large(usize),
    /// None of Postfix's policy protocol: it gets the default action.
    Other,
    /// Its first line is that of another protocol.
    Foreign,
    /// It is no request.
    Garbage,
    /// Begun, and not finished.
    Unfinished,
    /// A blank line, which is nothing.
    Blank,
    /// No client's: a service is looked at.
    Probe,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reads {
    AtOnce,
    /// A part of each reply only after this time.
    Slowly(Duration),
    Never,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// Closes when it has all replies.
    Leaves,
    /// Sends no more after its last request, and waits for the replies.
    HalfCloses,
    /// Resets the connection, so long after it came.
    Resets(Duration),
    /// Stays until it is closed.
    Stays,
}

#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) priority: u16,
    pub(crate) weight: u16,
    pub(crate) timeout: Duration,
    pub(crate) keep: Duration,
    pub(crate) refresh: Duration,
    /// How long a look-up takes; `None` if the address is known.
    pub(crate) look_up: Option<Duration>,
    /// Where it is from when on, by places in `servers`; a look-up of an empty list fails.
    pub(crate) names: Vec<(Duration, Vec<usize>)>,
    pub(crate) servers: Vec<Server>,
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) is_unix: bool,
    /// To it and back.
    pub(crate) way: Duration,
    /// How long it works on a request.
    pub(crate) works: Duration,
    /// Closes after so many answers.
    pub(crate) closes_after: Option<u32>,
    /// Closes connections that have been idle for so long.
    pub(crate) closes_idle: Option<Duration>,
    /// Serves so many connections at once, each until it is closed; others wait in a queue.
    pub(crate) processes: Option<usize>,
    /// As many as the queue holds.
    pub(crate) backlog: usize,
    /// Cuts its answers, with this between the parts.
    pub(crate) cuts: Option<Duration>,
    /// A poisonous request kills all of its connections, and it is away for so long.
    pub(crate) dies: Option<Duration>,
    /// Bytes by which its answers are longer.
    pub(crate) pad: usize,
    pub(crate) troubles: Vec<(Span, Trouble)>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            is_unix: false,
            way: millis(1),
            works: millis(2),
            closes_after: None,
            closes_idle: None,
            processes: None,
            backlog: 100,
            cuts: None,
            dies: None,
            pad: 0,
            troubles: Vec::new(),
        }
    }
}

impl Server {
    /// When the trouble of this moment is over.
    pub(crate) fn well_again(&self, now: Duration) -> Duration {
        let now_on = self.troubles.iter().find(|(span, _)| span.has(now));
        now_on.map_or(now, |(span, _)| span.until)
    }

    pub(crate) fn trouble(&self, now: Duration) -> Option<Trouble> {
        let now = self.troubles.iter().find(|(span, _)| span.has(now));
        now.map(|(_, trouble)| *trouble)
    }
}

impl Default for Service {
    fn default() -> Self {
        Self {
            priority: 10,
            weight: 1,
            timeout: secs(10),
            keep: secs(60),
            refresh: secs(60),
            look_up: None,
            names: vec![(Duration::ZERO, vec![0])],
            servers: vec![Server::default()],
        }
    }
}

impl Service {
    pub(crate) fn name(&self, now: Duration) -> &[usize] {
        let last = self.names.iter().rev().find(|(from, _)| *from <= now);
        last.map_or(&[], |(_, servers)| servers)
    }
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
