//! The share of each server, by each strategy.

use std::collections::HashMap;

use policy_simulation::{Balance, World};

use crate::simulation::history::{History, Why};

/// Round robin: as long as the same servers are up or due, each gets its weight of the requests that
/// stick to nobody, give or take `n - 1` where all take part: also at once after one has gone or returned.
/// Only a request's first attempt has a turn; to whom it goes on is drawn.
pub(crate) fn are_by_weight_between_any_two_changes(world: &World, history: &History) {
    let mut windows: HashMap<u16, (u64, Vec<u64>)> = HashMap::new();
    for attempt in &history.attempts {
        if attempt.place > 0 || !matches!(attempt.why, Why::Up | Why::Trial) {
            continue;
        }
        let priority = world.servers[attempt.server].backend.priority;
        let (candidates, served) = windows.entry(priority).or_default();
        if *candidates != attempt.candidates {
            (*candidates, *served) = (attempt.candidates, vec![0; world.servers.len()]);
        }
        served[attempt.server] += 1;
        let (all, n) = tier(world, priority);
        let among: u64 = members(*candidates).map(|at| weight(world, at)).sum();
        let requests: u64 = served.iter().sum();
        for server in members(*candidates) {
            // Both sides times what all weigh that take part.
            let (is, fair) = (served[server] * among, requests * weight(world, server));
            assert!(is.abs_diff(fair) <= all * (n - 1), "{is} for {fair}");
        }
    }
}

/// Least loaded: no request goes to a server that is up if another, with that request, had less under
/// way for its weight. So a server that returns with nothing under way gets no more than its part of
/// what is under way then, and one more.
pub(crate) fn of_what_is_under_way_are_by_weight(world: &World, history: &History) {
    for attempt in &history.attempts {
        if attempt.why != Why::Up {
            continue;
        }
        let mine = u64::from(attempt.loads[attempt.server]);
        for other in members(attempt.candidates & attempt.up) {
            let with = u64::from(attempt.loads[other]) + 1;
            let is_fair = mine * weight(world, other) < with * weight(world, attempt.server);
            assert!(is_fair, "{attempt:?} and not {other}");
        }
    }
}

/// Hash: of two servers that could both be asked, a key always meets the same. So when one goes only
/// its keys move, and when it is back they return.
pub(crate) fn of_keys_move_only_with_their_server(history: &History) {
    let mut met: HashMap<u64, Vec<(u64, usize)>> = HashMap::new();
    for attempt in &history.attempts {
        if !matches!(attempt.why, Why::Up | Why::Trial) {
            continue;
        }
        let key = history.requests[attempt.request].key.expect("all have one");
        let known = met.entry(key).or_default();
        let (candidates, server) = (attempt.candidates, attempt.server);
        for &(others, other) in known.iter() {
            let could_both = 1 << server | 1 << other;
            let stays = server == other || candidates & others & could_both != could_both;
            assert!(
                stays,
                "{key} met {other} of {others:b} and {server} of {candidates:b}"
            );
        }
        if !known.contains(&(candidates, server)) {
            known.push((candidates, server));
        }
    }
}

/// Whether a candidate, which is up or due for its trial, has to wait for nothing but its turn.
pub(crate) const fn are_by_turn(balance: Balance, is_up: bool) -> bool {
    match balance {
        Balance::RoundRobin => true,
        // Requests that hang there since before count as its load.
        Balance::LeastLoaded => !is_up,
        Balance::Hash(_) | Balance::HashSkewed(_) => false,
    }
}

/// What all of a priority weigh, and how many they are.
pub(crate) fn tier(world: &World, priority: u16) -> (u64, u64) {
    let servers = world.servers.iter().map(|server| server.backend);
    let tier = servers.filter(|backend| backend.priority == priority);
    tier.fold((0, 0), |(all, n), backend| {
        (all + u64::from(backend.weight), n + 1)
    })
}

fn weight(world: &World, server: usize) -> u64 {
    world.servers[server].backend.weight.into()
}

fn members(set: u64) -> impl Iterator<Item = usize> {
    (0..64).filter(move |server| set & 1 << server != 0)
}
