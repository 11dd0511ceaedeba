//! A world at work: an event queue on virtual time, and the failover loop of each request.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use policy_ha::{BackendId, Balancer, Outcome, Preference, Status, Transition, Tried};

use crate::{
    watch::{Attempt, Change, End, Ended, Request, View, Watch},
    world::{Balance, Trouble, World},
};

/// Lets a world happen.
///
/// # Panics
///
/// If there are no servers, or more than 64.
pub fn run(world: &World, watch: &mut impl Watch) {
    let backends = world.servers.iter().map(|server| server.backend);
    let balancer = Balancer::new(world.config, backends).expect("1 to 64 servers");
    let mut run = Run {
        world,
        ids: balancer.ids().collect(),
        balancer,
        epoch: Instant::now(),
        queue: BinaryHeap::new(),
        requests: Vec::new(),
        attempts: Vec::new(),
        last: vec![None; world.clients.len()],
        loads: vec![0; world.servers.len()],
        watch,
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

struct Run<'a, W> {
    world: &'a World,
    balancer: Balancer,
    ids: Vec<BackendId>,
    epoch: Instant,
    queue: BinaryHeap<Reverse<(Duration, Event)>>,
    requests: Vec<Request>,
    attempts: Vec<Attempt>,
    /// Who answered each client last.
    last: Vec<Option<usize>>,
    /// How many requests each server has under way.
    loads: Vec<u32>,
    watch: &'a mut W,
}

impl<W: Watch> Run<'_, W> {
    fn push(&mut self, at: Duration, event: Event) {
        self.queue.push(Reverse((at, event)));
    }

    fn trouble_ends(&mut self, server: usize, trouble: usize) {
        let down = match self.balancer.status(self.ids[server]) {
            Status::Down { since, due } => Some((self.after(since), self.after(due))),
            _ => None,
        };
        self.watch.trouble_ended(Ended {
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
        let request = Request {
            client: index,
            began: now,
            is_poison: client.is_poison(n),
            sticks_to: self.last[index].filter(|_| sticks),
            key: client.key(n, self.world.balance),
            n,
            tried: Tried::new(),
        };
        self.watch.requested(&request);
        self.requests.push(request);
        self.ask(now, self.requests.len() - 1);
    }

    fn ask(&mut self, now: Duration, number: usize) {
        let at = self.epoch + now;
        let request = &mut self.requests[number];
        let until = self.world.deadline.map(|deadline| request.began + deadline);
        let left = until.map_or(Duration::MAX, |until| until.saturating_sub(now));
        let view = View {
            balancer: &self.balancer,
            now: at,
            tried: request.tried,
            loads: &self.loads,
        };
        self.watch.picks(&view);
        let stick = request.sticks_to.map(|server| self.ids[server]);
        let preference = match (stick, request.key) {
            (None, None) => Preference::None,
            (Some(id), None) => Preference::Stick(id),
            (None, Some(key)) => Preference::Hash(key),
            (Some(id), Some(key)) => Preference::StickOrHash(id, key),
        };
        let tried = &mut request.tried;
        let load = |id: BackendId| self.loads[id.index()];
        let picked = match (left.is_zero(), self.world.balance) {
            (true, _) => None,
            (_, Balance::LeastLoaded) => {
                self.balancer.pick_least_loaded(at, preference, tried, load)
            }
            _ => self.balancer.pick(at, preference, tried),
        };
        let Some(id) = picked else {
            self.watch.ended(number, now, false);
            return;
        };

        let server = id.index();
        let place = request.tried.len() - 1;
        let chance = self.world.clients[request.client].part(request.n, 3 + place as u64);
        let (answers, is_answer) = self.world.servers[server].ask(now, request.is_poison, chance);
        let limit = self.world.timeout.min(left);
        let (ended, end) = match (answers <= now + limit, is_answer) {
            (true, true) => (answers, End::Answered),
            (true, false) => (answers, End::Failed),
            (false, _) if limit < self.world.timeout => (now + limit, End::Dropped),
            (false, _) => (now + limit, End::Failed),
        };
        let attempt = Attempt {
            request: number,
            place,
            server,
            began: now,
            ended,
            end,
            is_last_resort: request.tried.is_last_resort(),
        };
        self.watch.attempted(&attempt);
        self.loads[server] += 1;
        self.attempts.push(attempt);
        self.push(ended, Event::Ends(Reverse(self.attempts.len() - 1)));
    }

    fn ends(&mut self, now: Duration, attempt: usize) {
        let Attempt {
            request,
            server,
            began,
            end,
            ..
        } = self.attempts[attempt];
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
            self.watch.changed(Change {
                at: now,
                server,
                is_up,
            });
        }
        if end == End::Answered {
            self.watch.ended(request, now, true);
            self.last[self.requests[request].client] = Some(server);
        } else {
            self.ask(now, request);
        }
    }

    fn after(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.epoch)
    }
}
