//! The balancer: whatever is asked of it and told to it, at times that run in any direction, its laws
//! hold for each call.

#![no_main]

mod script;

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use policy_ha::{
    Backend, BackendId, Balancer, Config, Mode, Outcome, Preference, Status, Transition, Tried,
};
use script::Script;

fuzz_target!(|input: &[u8]| {
    let mut script = Script(input);
    let config = script.config();
    let backends = script.backends();
    let Ok(balancer) = Balancer::new(config, backends.iter().copied()) else {
        return; // Two of one key.
    };
    let mut world = World {
        answered: vec![None; backends.len()],
        now: Instant::now(),
        requests: Default::default(),
        config,
        backends,
        balancer,
    };
    while let Some(call) = script.next() {
        world.call(call, &mut script);
    }
});

struct World {
    config: Config,
    backends: Vec<Backend>,
    balancer: Balancer,
    /// When each answered last.
    answered: Vec<Option<Instant>>,
    now: Instant,
    /// Requests under way, and whom each was offered.
    requests: [(Tried, u64); 4],
}

impl World {
    fn call(&mut self, call: u8, script: &mut Script<'_>) {
        match call % 8 {
            0..=2 => self.pick(script),
            3 => self.success(script),
            4 => self.failure(script),
            5 => self.time(script),
            6 => self.mode(script),
            _ => self.renew(script),
        }
    }

    fn id(&self, script: &mut Script<'_>) -> BackendId {
        let place = usize::from(script.byte()) % self.backends.len();
        self.balancer.ids().nth(place).expect("a place of the list")
    }

    fn statuses(&self) -> [Status; Balancer::MAX_BACKENDS] {
        let mut statuses = [Status::Up; Balancer::MAX_BACKENDS];
        for id in self.balancer.ids() {
            statuses[id.index()] = self.balancer.status(id);
        }
        statuses
    }

    fn pick(&mut self, script: &mut Script<'_>) {
        let how = script.byte();
        let stick = (how & 4 != 0).then(|| self.id(script));
        let key = (how & 8 != 0).then(|| script.number());
        let loads = (how & 16 != 0).then(|| script.number());
        let load = |id: BackendId| (loads.unwrap_or(0) >> (id.index() % 16 * 4)) as u32 & 15;
        let preference = match (stick, key) {
            (None, None) => Preference::None,
            (Some(id), None) => Preference::Stick(id),
            (None, Some(key)) => Preference::Hash(key),
            (Some(id), Some(key)) => Preference::StickOrHash(id, key),
        };
        let now = self.now;
        let by = |balancer: &mut Balancer, tried: &mut Tried| match loads {
            Some(_) => balancer.pick_least_loaded(now, preference, tried, load),
            None => balancer.pick(now, preference, tried),
        };

        // A copy costs more than the rest.
        let copy = (how & 32 != 0).then(|| self.balancer.clone());
        let statuses = self.statuses();
        let (mut tried, offered) = std::mem::take(&mut self.requests[usize::from(how & 3)]);
        let was = tried;
        let picked = by(&mut self.balancer, &mut tried);
        if let Some(mut copy) = copy.clone() {
            assert_eq!(by(&mut copy, &mut was.clone()), picked, "the same call");
        }

        let balancer = &self.balancer;
        let is_open = |id: &BackendId| balancer.mode(*id) == Mode::Enabled && !was.contains(*id);
        let open = || balancer.ids().filter(is_open);
        assert_eq!(balancer.left(was), open().count());
        let up = open().filter(|id| balancer.status(*id) == Status::Up);
        assert_eq!(balancer.left_up(was), up.count());
        let Some(id) = picked else {
            assert_eq!(balancer.left(was), 0);
            return; // And the request is over.
        };

        let due = |id: BackendId| match statuses[id.index()] {
            Status::Down { due, .. } => Some(due),
            _ => None,
        };
        assert_eq!(offered & 1 << id.index(), 0, "offered twice");
        assert!(tried.contains(id) && tried.len() == was.len() + 1);
        let is_trial = due(id).is_some_and(|due| due <= now);
        assert_eq!(tried.is_last_resort(), due(id).is_some() && !is_trial);

        let stuck = stick.filter(|&id| {
            due(id).is_none() && !was.contains(id) && balancer.mode(id) != Mode::Disabled
        });
        if let Some(stuck) = stuck {
            assert_eq!(id, stuck);
        } else {
            assert!(is_open(&id), "not enabled");
            // Up or due, then down; within these by priority, or the soonest due.
            let any_up = open().any(|id| due(id).is_none());
            let rank = |id: BackendId| {
                let priority = self.backends[id.index()].priority;
                match due(id) {
                    None => (0, priority, None),
                    Some(due) if due <= now && (was.is_empty() || !any_up) => (0, priority, None),
                    due => (1, 0, due),
                }
            };
            assert_eq!(Some(rank(id)), open().map(rank).min());
            let mut peers = open().filter(|&peer| peer != id && rank(peer) == rank(id));
            if let (Some(_), None, None) = (loads, key, due(id)) {
                // Nobody would be as little loaded with the request as this one is without it.
                let weight = |id: BackendId| u32::from(self.backends[id.index()].weight);
                let mut ups = peers.filter(|&peer| due(peer).is_none());
                assert!(ups.all(|peer| load(id) * weight(peer) < (load(peer) + 1) * weight(id)));
            } else if let (Some(key), Some(mut copy), (0, ..)) = (key, copy, rank(id)) {
                // None of the others matters to whom the key belongs to.
                if let Some(peer) = peers.nth(usize::from(how >> 6)) {
                    copy.set_mode(peer, Mode::Disabled);
                    let picked = copy.pick(now, Preference::Hash(key), &mut was.clone());
                    assert_eq!(picked, Some(id));
                }
            }
        }

        // A trial is put off; nothing else changes.
        for other in balancer.ids() {
            match (statuses[other.index()], balancer.status(other)) {
                (Status::Down { since, .. }, Status::Down { since: still, due })
                    if other == id && is_trial =>
                {
                    assert!(since == still);
                    assert!(waits(now, due, self.config.min_backoff));
                }
                (was, is) => assert_eq!(was, is),
            }
        }
        self.requests[usize::from(how & 3)] = (tried, offered | 1 << id.index());
    }

    fn success(&mut self, script: &mut Script<'_>) {
        let id = self.id(script);
        let was = self.balancer.status(id);
        let change = self.balancer.observe(self.now, id, Outcome::Success);
        let back = match change {
            Some(Transition::Up { after, .. }) => Some(after),
            None => None,
            other => panic!("{other:?}"),
        };
        let was_down = match was {
            Status::Down { since, .. } => Some(self.now.saturating_duration_since(since)),
            _ => None,
        };
        assert_eq!(back, was_down);
        assert_eq!(self.balancer.status(id), Status::Up);
        let answered = &mut self.answered[id.index()];
        *answered = (*answered).max(Some(self.now));
    }

    fn failure(&mut self, script: &mut Script<'_>) {
        let (id, took) = (self.id(script), script.duration());
        let now = self.now;
        let was = self.statuses();
        let change = self.balancer.observe(now, id, Outcome::Failure { took });
        let mut are = self.statuses();
        let is = std::mem::replace(&mut are[id.index()], was[id.index()]);
        assert_eq!(are, was, "it is nobody else's");

        let was = was[id.index()];
        if now.checked_sub(took) < self.answered[id.index()] {
            assert_eq!((change, is), (None, was), "it has answered since");
            return;
        }
        match (was, is, change) {
            (Status::Up, Status::Up, None) => assert!(self.config.max_failures > 1),
            (Status::Up, Status::Down { since, due }, Some(Transition::Down { due_in, .. })) => {
                assert!(since == now && due == now + due_in);
                let backoff = took.max(self.config.min_backoff);
                assert!(waits(now, due, backoff));
                assert!(due_in <= backoff.saturating_add(backoff / 4));
            }
            (
                Status::Down { since, due },
                Status::Down {
                    since: still,
                    due: next,
                },
                None,
            ) => {
                assert!(since == still && next >= due);
                assert!(next == due || waits(now, next, took));
            }
            other => panic!("{other:?}"),
        }
    }

    fn time(&mut self, script: &mut Script<'_>) {
        let backwards = script.byte().is_multiple_of(4);
        let step = script.duration();
        let moved = match backwards {
            true => self.now.checked_sub(step),
            false => self.now.checked_add(step),
        };
        self.now = moved.unwrap_or(self.now);
    }

    fn mode(&mut self, script: &mut Script<'_>) {
        let id = self.id(script);
        let mode = [Mode::Enabled, Mode::Drain, Mode::Disabled][usize::from(script.byte() % 3)];
        let was = self.statuses();
        self.balancer.set_mode(id, mode);
        assert_eq!(self.balancer.mode(id), mode);
        assert_eq!(self.statuses(), was);
    }

    /// One leaves, or joins, or they change their places. Requests under way end with the old list.
    fn renew(&mut self, script: &mut Script<'_>) {
        let mut list: Vec<_> = (0..)
            .zip(&self.backends)
            .map(|(n, &backend)| (backend, Some(n)))
            .collect();
        let place = usize::from(script.byte()) % list.len();
        match script.byte() % 3 {
            0 => drop(list.remove(place)),
            1 => list.insert(place, (Backend::new(1, 3).with_key(script.number()), None)),
            _ => list.rotate_left(place),
        }
        let ids: Vec<_> = self.balancer.ids().collect();
        let known = list
            .iter()
            .map(|&(backend, n)| (backend, n.map(|n: usize| ids[n])));
        let Ok(renewed) = self.balancer.renewed(self.config, known) else {
            return; // Nobody is left, or too many, or two have one key.
        };
        for (id, &(_, n)) in renewed.ids().zip(&list) {
            let expected = n.map_or((Status::Up, Mode::Enabled), |n| {
                (self.balancer.status(ids[n]), self.balancer.mode(ids[n]))
            });
            assert_eq!((renewed.status(id), renewed.mode(id)), expected);
        }
        self.answered = list
            .iter()
            .map(|&(_, n)| n.and_then(|n| self.answered[n]))
            .collect();
        self.backends = list.into_iter().map(|(backend, _)| backend).collect();
        self.balancer = renewed;
        self.requests = Default::default();
    }
}

/// Whether it is so long, if the clock goes far enough.
fn waits(now: Instant, due: Instant, at_least: Duration) -> bool {
    let fits = now.checked_add(at_least.saturating_mul(2)).is_some();
    due >= now && (!fits || due.saturating_duration_since(now) >= at_least)
}
