//! The history of a world, which the laws are about.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use policy_ha::{BackendId, Balancer, Status, Tried};
use policy_simulation::{Change, End, Ended, View, Watch, World};

/// What happened, in order.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) requests: Vec<Request>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) changes: Vec<Change>,
    pub(crate) ends: Vec<Ended>,
    /// Of each server.
    priorities: Vec<u16>,
    /// What was seen before the last pick.
    seen: Seen,
}

/// Lets a world happen, and writes it down.
pub(crate) fn run(world: &World) -> History {
    let mut history = History {
        priorities: world
            .servers
            .iter()
            .map(|server| server.backend.priority)
            .collect(),
        ..History::default()
    };
    policy_simulation::run(world, &mut history);
    history
}

impl History {
    /// What a server was asked in this time.
    pub(crate) fn asked(
        &self,
        server: usize,
        during: Range<Duration>,
    ) -> impl Iterator<Item = &Attempt> + Clone {
        let attempts = self.attempts.iter();
        attempts.filter(move |attempt| attempt.server == server && during.contains(&attempt.began))
    }

    /// When it was found to be up, or down, the first time from then on.
    pub(crate) fn next(&self, server: usize, from: Duration, is_up: bool) -> Duration {
        let mut changes = self.changes.iter();
        let next = changes
            .find(|change| change.server == server && change.is_up == is_up && change.at >= from);
        next.map_or(Duration::MAX, |change| change.at)
    }
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) began: Duration,
    pub(crate) is_poison: bool,
    pub(crate) sticks_to: Option<usize>,
    pub(crate) key: Option<u64>,
    pub(crate) ended: Option<Duration>,
    pub(crate) is_answered: bool,
    pub(crate) attempts: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) request: usize,
    /// Counted from 0.
    pub(crate) place: usize,
    pub(crate) server: usize,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    pub(crate) end: End,
    pub(crate) why: Why,
    /// Those that were up or due for a trial, of the priority that had the turn.
    pub(crate) candidates: u64,
    /// Those of them, and of other priorities, that were up.
    pub(crate) up: u64,
    /// How many requests each server had under way.
    pub(crate) loads: Vec<u32>,
}

/// Why a server was asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Why {
    /// It answered the rest of the message.
    Sticks,
    /// It was believed to be up.
    Up,
    /// It was down and due.
    Trial,
    /// It was down and not due.
    LastResort,
}

/// The moment before a pick.
#[derive(Debug, Default)]
struct Seen {
    candidates: u64,
    up: u64,
    /// Servers that are down and due.
    due: u64,
    loads: Vec<u32>,
}

impl Watch for History {
    fn requested(&mut self, request: &policy_simulation::Request) {
        self.requests.push(Request {
            began: request.began,
            is_poison: request.is_poison,
            sticks_to: request.sticks_to,
            key: request.key,
            ended: None,
            is_answered: false,
            attempts: Vec::new(),
        });
    }

    fn picks(&mut self, view: &View<'_>) {
        let View {
            balancer,
            now,
            tried,
            loads,
        } = *view;
        let set = |is: &dyn Fn(Status) -> bool| {
            let ids = balancer.ids().filter(|&id| is(balancer.status(id)));
            ids.fold(0, |set, id| set | 1 << id.index())
        };
        self.seen = Seen {
            candidates: candidates(balancer, &self.priorities, now, tried),
            up: set(&|status| status == Status::Up),
            due: set(&|status| matches!(status, Status::Down { due, .. } if due <= now)),
            loads: loads.to_vec(),
        };
    }

    fn attempted(&mut self, attempt: &policy_simulation::Attempt) {
        let &policy_simulation::Attempt {
            request,
            place,
            server,
            began,
            ended,
            end,
            is_last_resort,
        } = attempt;
        let is_in = |set: u64| set & 1 << server != 0;
        let asked_for = &mut self.requests[request];
        let why = if is_in(self.seen.up) {
            if asked_for.sticks_to == Some(server) {
                Why::Sticks
            } else {
                Why::Up
            }
        } else if is_in(self.seen.due) {
            Why::Trial
        } else {
            Why::LastResort
        };
        assert_eq!(is_last_resort, why == Why::LastResort);
        asked_for.attempts.push(self.attempts.len());
        self.attempts.push(Attempt {
            request,
            place,
            server,
            began,
            ended,
            end,
            why,
            candidates: self.seen.candidates,
            up: self.seen.up,
            loads: self.seen.loads.clone(),
        });
    }

    fn ended(&mut self, request: usize, at: Duration, is_answered: bool) {
        let request = &mut self.requests[request];
        (request.ended, request.is_answered) = (Some(at), is_answered);
    }

    fn changed(&mut self, change: Change) {
        self.changes.push(change);
    }

    fn trouble_ended(&mut self, ended: Ended) {
        self.ends.push(ended);
    }
}

/// As the documentation has it, and in the most naive way.
fn candidates(balancer: &Balancer, priorities: &[u16], now: Instant, tried: Tried) -> u64 {
    let open = || balancer.ids().filter(|&id| !tried.contains(id));
    let is_up = |&id: &BackendId| balancer.status(id) == Status::Up;
    let is_due =
        |&id: &BackendId| matches!(balancer.status(id), Status::Down { due, .. } if due <= now);
    let pays = tried.is_empty() || !open().any(|id| is_up(&id));
    let usable = || open().filter(|id| is_up(id) || pays && is_due(id));
    let priority = |id: BackendId| priorities[id.index()];
    let first = usable().map(priority).min();
    let candidates = usable().filter(|&id| Some(priority(id)) == first);
    candidates.fold(0, |set, id| set | 1 << id.index())
}
