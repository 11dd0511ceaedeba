//! Runs a world: an event queue on virtual time, and the failover loop of each request.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use policy_ha::{BackendId, Balancer, Outcome, Preference, Status, Transition, Tried};

use super::{
    history::{Attempt, Change, End, Ended, History, Request, Why},
    world::{Balance, Trouble, World},
};

pub(crate) fn run(world: &World) -> History {
    let backends = world.servers.iter().map(|server| server.backend);
    let balancer = Balancer::new(world.config, backends).unwrap();
    let mut run = Run {
        world,
        ids: balancer.ids().collect(),
        balancer,
        epoch: epoch(),
        queue: BinaryHeap::new(),
        tried: Vec::new(),
        last: vec![None; world.clients.len()],
        loads: vec![0; world.servers.len()],
        history: History::default(),
    };
    for (index, server) in world.servers.iter().enumerate() {
        for (trouble, Trouble { until, .. }) in server.troubles.iter().enumerate() {
            run.push(*until, Event::TroubleEnds(index, trouble));
        }
    }
    for (index, client) in world.clients.iter().enumerate() {
        run.push(client.first, Event::Arrives(index, 0));
    }
    while let Some(Reverse((now, event))) = run.queue.pop() {
        match event {
            Event::TroubleEnds(server, trouble) => run.trouble_ends(server, trouble),
            Event::Arrives(client, n) => run.arrives(now, client, n),
            Event::Ends(Reverse(attempt)) => run.ends(now, attempt),
        }
    }
    run.history
}

/// In the order in which they happen at one moment, and of a kind the latest first: so who is refused at
/// once knows before anybody else asks.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Event {
    TroubleEnds(usize, usize),
    /// An attempt.
    Ends(Reverse<usize>),
    /// The `n`th request of a client.
    Arrives(usize, u64),
}

struct Run<'a> {
    world: &'a World,
    balancer: Balancer,
    ids: Vec<BackendId>,
    epoch: Instant,
    queue: BinaryHeap<Reverse<(Duration, Event)>>,
    /// Of each request.
    tried: Vec<Tried>,
    /// Who answered each client last.
    last: Vec<Option<usize>>,
    /// How many requests each server has under way.
    loads: Vec<u32>,
    history: History,
}

impl Run<'_> {
    fn push(&mut self, at: Duration, event: Event) {
        self.queue.push(Reverse((at, event)));
    }

    fn trouble_ends(&mut self, server: usize, trouble: usize) {
        let down = match self.balancer.status(self.ids[server]) {
            Status::Down { since, due } => Some((self.after(since), self.after(due))),
            _ => None,
        };
        self.history.ends.push(Ended {
            server,
            trouble,
            down,
        });
    }

    fn arrives(&mut self, now: Duration, index: usize, n: u64) {
        let client = &self.world.clients[index];
        let next = now + client.gap(n);
        if next <= self.world.end {
            self.push(next, Event::Arrives(index, n + 1));
        }
        let sticks = !n.is_multiple_of(u64::from(client.message));
        self.history.requests.push(Request {
            client: index,
            began: now,
            is_poison: client.is_poison(n),
            sticks_to: self.last[index].filter(|_| sticks),
            key: match self.world.balance {
                Balance::Hash(keys) => Some(client.key(n, keys)),
                _ => None,
            },
            ended: None,
            is_answered: false,
            attempts: Vec::new(),
        });
        self.tried.push(Tried::new());
        self.ask(now, self.history.requests.len() - 1);
    }

    fn ask(&mut self, now: Duration, number: usize) {
        let at = self.epoch + now;
        let request = &mut self.history.requests[number];
        let tried = &mut self.tried[number];
        let until = self.world.deadline.map(|deadline| request.began + deadline);
        let left = until.map_or(Duration::MAX, |until| until.saturating_sub(now));
        let candidates = candidates(&self.balancer, self.world, at, *tried);
        let status: Vec<_> = self
            .ids
            .iter()
            .map(|&id| self.balancer.status(id))
            .collect();
        let stick = request.sticks_to.map(|server| self.ids[server]);
        let preference = match (stick, request.key) {
            (None, None) => Preference::None,
            (Some(id), None) => Preference::Stick(id),
            (None, Some(key)) => Preference::Hash(key),
            (Some(id), Some(key)) => Preference::StickOrHash(id, key),
        };
        let load = |id: BackendId| self.loads[id.index()];
        let picked = match (left.is_zero(), self.world.balance) {
            (true, _) => None,
            (_, Balance::LeastLoaded) => {
                self.balancer.pick_least_loaded(at, preference, tried, load)
            }
            _ => self.balancer.pick(at, preference, tried),
        };
        let Some(id) = picked else {
            request.ended = Some(now);
            return;
        };

        let server = id.index();
        let (answers, is_answer) = self.world.servers[server].ask(now, request.is_poison);
        let limit = self.world.timeout.min(left);
        let (ended, end) = match (answers <= now + limit, is_answer) {
            (true, true) => (answers, End::Answered),
            (true, false) => (answers, End::Failed),
            (false, _) if limit < self.world.timeout => (now + limit, End::Dropped),
            (false, _) => (now + limit, End::Failed),
        };
        let why = match status[server] {
            Status::Up if stick == Some(id) => Why::Sticks,
            Status::Up => Why::Up,
            Status::Down { due, .. } if due <= at => Why::Trial,
            _ => Why::LastResort,
        };
        assert_eq!(tried.is_last_resort(), why == Why::LastResort);
        let attempt = self.history.attempts.len();
        request.attempts.push(attempt);
        self.history.attempts.push(Attempt {
            request: number,
            place: tried.len() - 1,
            server,
            began: now,
            ended,
            end,
            why,
            candidates,
            up: (0..)
                .zip(&status)
                .fold(0, |set, (at, is)| set | u64::from(*is == Status::Up) << at),
            loads: self.loads.clone(),
        });
        self.loads[server] += 1;
        self.push(ended, Event::Ends(Reverse(attempt)));
    }

    fn ends(&mut self, now: Duration, attempt: usize) {
        let Attempt {
            request,
            server,
            began,
            end,
            ..
        } = self.history.attempts[attempt];
        let outcome = match end {
            End::Answered => Some(Outcome::Success),
            End::Failed => Some(Outcome::Failure { took: now - began }),
            End::Dropped => None,
        };
        let id = self.ids[server];
        self.loads[server] -= 1;
        let change =
            outcome.and_then(|outcome| self.balancer.observe(self.epoch + now, id, outcome));
        if let Some(change) = change {
            let is_up = matches!(change, Transition::Up { .. });
            self.history.changes.push(Change {
                at: now,
                server,
                is_up,
            });
        }
        if end == End::Answered {
            let request = &mut self.history.requests[request];
            (request.ended, request.is_answered) = (Some(now), true);
            self.last[request.client] = Some(server);
        } else {
            self.ask(now, request);
        }
    }

    fn after(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.epoch)
    }
}

/// As the documentation has it, and in the most naive way.
fn candidates(balancer: &Balancer, world: &World, now: Instant, tried: Tried) -> u64 {
    let open = || balancer.ids().filter(|&id| !tried.contains(id));
    let is_up = |&id: &BackendId| balancer.status(id) == Status::Up;
    let is_due =
        |&id: &BackendId| matches!(balancer.status(id), Status::Down { due, .. } if due <= now);
    let pays = tried.is_empty() || !open().any(|id| is_up(&id));
    let usable = || open().filter(|id| is_up(id) || pays && is_due(id));
    let priority = |id: BackendId| world.servers[id.index()].backend.priority;
    let first = usable().map(priority).min();
    let candidates = usable().filter(|&id| Some(priority(id)) == first);
    candidates.fold(0, |set, id| set | 1 << id.index())
}

#[expect(clippy::disallowed_methods, reason = "an arbitrary epoch")]
fn epoch() -> Instant {
    Instant::now()
}
