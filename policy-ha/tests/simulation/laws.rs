//! Laws that hold in every world, as assertions over its history.

mod outage;
pub(crate) use outage::trials;

mod shares;

use policy_simulation::{Balance, World};

use super::history::{History, Why};

/// All of them.
pub(crate) fn hold(world: &World, history: &History) {
    every_answer_that_some_server_could_give_is_given(world, history);
    a_last_resort_is_asked_when_nobody_else_is_left(history);
    outage::costs_few_attempts(world, history);
    outage::ends_within_one_backoff(world, history);
    outage::lets_one_request_per_backoff_go_and_see(world, history);
    match world.balance {
        Balance::RoundRobin => shares::are_by_weight_between_any_two_changes(world, history),
        Balance::LeastLoaded => shares::of_what_is_under_way_are_by_weight(world, history),
        Balance::Hash(_) | Balance::HashSkewed(_) => {
            shares::of_keys_move_only_with_their_server(history)
        }
    }
}

/// A request that nobody answered has been offered to each server once, or its own time is up. It had
/// an answer if one server was well all the while, and the others cannot have cost it all its time.
fn every_answer_that_some_server_could_give_is_given(world: &World, history: &History) {
    for request in &history.requests {
        let ended = request.ended.expect("every request ends");
        let attempts = request.attempts.iter();
        let mut asked: Vec<_> = attempts.map(|&at| history.attempts[at].server).collect();
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(asked.len(), request.attempts.len(), "nobody is asked twice");
        if request.is_answered {
            continue;
        }
        let deadline = world.deadline.map(|deadline| request.began + deadline);
        let is_late = deadline == Some(ended);
        assert!(asked.len() == world.servers.len() || is_late, "{request:?}");

        let (well, ill): (Vec<_>, Vec<_>) = world.servers.iter().partition(|server| {
            server.is_well(request.began, ended) && server.latency <= world.timeout
        });
        let Some(slowest) = well.iter().map(|server| server.latency).max() else {
            continue;
        };
        let needs = world.timeout * ill.len() as u32 + slowest;
        let had_time = deadline.is_none_or(|deadline| request.began + needs <= deadline);
        assert!(!had_time || request.is_poison, "{request:?}");
    }
}

fn a_last_resort_is_asked_when_nobody_else_is_left(history: &History) {
    for attempt in &history.attempts {
        let is_candidate = attempt.candidates & 1 << attempt.server != 0;
        match attempt.why {
            Why::Sticks => {}
            Why::Up | Why::Trial => assert!(is_candidate, "{attempt:?}"),
            Why::LastResort => assert_eq!(attempt.candidates, 0, "{attempt:?}"),
        }
    }
}
