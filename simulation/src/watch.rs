//! The events of a world, as they are told while it runs.

use std::time::{Duration, Instant};

use policy_ha::{Balancer, Tried};

/// What is told of a world, in the order in which it happens. Requests and attempts are counted from 0.
pub trait Watch {
    /// A request begins.
    fn requested(&mut self, request: &Request) {
        _ = request;
    }

    /// A server is about to be picked for a request.
    fn picks(&mut self, view: &View<'_>) {
        _ = view;
    }

    /// A server is asked; how that will end is known already.
    fn attempted(&mut self, attempt: &Attempt) {
        _ = attempt;
    }

    /// A request has its answer, or nobody is left who could be asked.
    fn ended(&mut self, request: usize, at: Duration, is_answered: bool) {
        _ = (request, at, is_answered);
    }

    /// A server was found to be up, or down.
    fn changed(&mut self, change: Change) {
        _ = change;
    }

    /// A server's trouble is over.
    fn trouble_ended(&mut self, ended: Ended) {
        _ = ended;
    }
}

/// A request, as it begins.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Whose it is.
    pub client: usize,
    /// When it begins.
    pub began: Duration,
    /// Whether no server ever answers it.
    pub is_poison: bool,
    /// The server that answered the message's last request.
    pub sticks_to: Option<usize>,
    /// By which its server is chosen.
    pub key: Option<u64>,
    /// The how many-th of its client's.
    pub(crate) n: u64,
    pub(crate) tried: Tried,
}

/// The moment before a pick.
#[derive(Debug)]
pub struct View<'a> {
    /// As it is now.
    pub balancer: &'a Balancer,
    /// The balancer's time.
    pub now: Instant,
    /// Who was tried for this request.
    pub tried: Tried,
    /// How many requests each server has under way.
    pub loads: &'a [u32],
}

/// A server that was asked.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// For which request.
    pub request: usize,
    /// The first of a request is 0.
    pub place: usize,
    /// Which server.
    pub server: usize,
    /// When it began.
    pub began: Duration,
    /// When it will end.
    pub ended: Duration,
    /// How it will end.
    pub end: End,
    /// Whether the balancer had nobody else left.
    pub is_last_resort: bool,
}

/// How an attempt ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// With an answer.
    Answered,
    /// Without one.
    Failed,
    /// Dropped at the request's own deadline.
    Dropped,
}

/// The balancer's mind about a server.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// When it changed.
    pub at: Duration,
    /// Which server.
    pub server: usize,
    /// Up from now on, or down.
    pub is_up: bool,
}

/// The end of a server's trouble.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Which server.
    pub server: usize,
    /// Which of its troubles.
    pub trouble: usize,
    /// Since when it is believed to be down, and when it is due for a trial.
    pub down: Option<(Duration, Duration)>,
}
