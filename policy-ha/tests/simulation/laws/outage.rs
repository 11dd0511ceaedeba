//! The cost of a server that is away or hangs, and its return.

use std::time::Duration;

use policy_ha::Config;
use policy_simulation::{End, Ended, Kind, Trouble, World};

use crate::simulation::history::{History, Why};

use super::shares;

/// Attempts that begin while a server is away, or hangs or swallows them, and that others could have answered at once:
///
/// - away: `max_failures` to find out, and then the [`trials`];
/// - hung: those of one time-out, counted from the `max_failures`th on, and then the trials.
///
/// What was under way when it began is lost as well. Last resorts are not wasted: nobody else was left.
pub(crate) fn costs_few_attempts(world: &World, history: &History) {
    for (index, server) in world.servers.iter().enumerate() {
        for &Trouble { from, until, kind } in &server.troubles {
            let unaware: Vec<_> = history
                .asked(index, from..until)
                .filter(|attempt| matches!(attempt.why, Why::Up | Why::Sticks))
                .collect();
            // One that was dropped told nothing.
            let mut told = unaware.iter().filter(|attempt| attempt.end == End::Failed);
            let failures = world.config.max_failures as usize;
            match (kind, told.nth(failures - 1)) {
                (Kind::Away, _) => assert!(unaware.len() <= failures, "{unaware:?}"),
                (Kind::Hangs | Kind::Swallows, Some(last)) => {
                    let known = last.began + world.timeout;
                    assert!(unaware.iter().all(|attempt| attempt.began <= known));
                }
                // Here answers still come: see the laws of all servers.
                (Kind::Slow(_), _) => continue,
                (_, None) => {}
            }
            let goes = history.asked(index, from..until);
            let goes = goes.filter(|attempt| attempt.why == Why::Trial).count();
            // If it was down before, then the first of all may be a trial.
            let most = trials(until - from, &world.config) + usize::from(unaware.is_empty());
            assert!(goes <= most, "{goes} trials from {from:?} to {until:?}");
        }
    }
}

/// The largest number of trials that begin within this time of a server's going down: the doubling
/// backoffs that fit into it.
///
/// That is at most `1 + log2(max_backoff / min_backoff) + time / max_backoff`.
pub(crate) fn trials(time: Duration, config: &Config) -> usize {
    let (mut backoff, mut sum) = (config.min_backoff, config.min_backoff);
    let mut trials = 0;
    while sum < time {
        trials += 1;
        backoff = next(backoff, config);
        sum += backoff;
    }
    trials
}

/// A server that is down is asked once per backoff, and the backoff doubles; beyond that only by those
/// whom nobody else has answered. So when it returns one request goes to see, and all others wait
/// for the answer to that.
pub(crate) fn lets_one_request_per_backoff_go_and_see(world: &World, history: &History) {
    for down in history.changes.iter().filter(|change| !change.is_up) {
        let up = history.next(down.server, down.at, true);
        let (mut last, mut backoff) = (down.at, world.config.min_backoff);
        for attempt in history.asked(down.server, down.at..up) {
            match attempt.why {
                Why::LastResort => {}
                Why::Trial => {
                    assert!(
                        attempt.began >= last + backoff,
                        "{attempt:?} after {last:?}"
                    );
                    (last, backoff) = (attempt.began, next(backoff, &world.config));
                }
                // Before it went down in that very moment.
                Why::Up | Why::Sticks => assert_eq!(attempt.began, down.at),
            }
        }
    }
}

/// From the end of a server's trouble,
///
/// - its trial is due within 1.25 times the smaller of `max_backoff` and of the time for which it has
///   been down plus the first backoff (or that, if it is longer than both). What hung
///   before and fails now can put it off by one time-out and first backoff;
/// - from then on it is a candidate for all requests of its priority, and round robin gives it one
///   within `total * (n - 1) / weight + 1` of them (least loaded: while it is due);
/// - with its answer it is up, and nothing from before takes it down again.
pub(crate) fn ends_within_one_backoff(world: &World, history: &History) {
    // Who meets no answer in a trial tells nothing about the server.
    if world.clients.iter().any(|client| client.poison.is_some()) {
        return;
    }
    let first = world.config.min_backoff.max(world.timeout);
    let last = world.config.max_backoff.max(first);
    for &Ended {
        server: index,
        trouble,
        down,
    } in &history.ends
    {
        let server = &world.servers[index];
        let (well, ill) = server.well_after(trouble);
        if server.latency > world.timeout {
            continue;
        }
        let mut ready = well;
        if let Some((since, due)) = down {
            ready += last.min(well - since + first).mul_f64(1.25);
            assert!(
                due <= ready,
                "due at {due:?}, well at {well:?}, down since {since:?}"
            );
        }
        if server.troubles[trouble].kind != Kind::Away {
            ready += world.timeout + first.mul_f64(1.25);
        }

        let asked = history.asked(index, well..ill).next();
        let until = asked.map_or(ill, |attempt| attempt.began);
        let mut missed = 0;
        for attempt in &history.attempts {
            let is_first = attempt.place == 0 && attempt.why != Why::Sticks;
            if !is_first || !(well..until).contains(&attempt.began) {
                continue;
            }
            let is_candidate = attempt.candidates & 1 << index != 0;
            let of = world.servers[attempt.server].backend.priority;
            let is_its_turn = of >= server.backend.priority && attempt.began >= ready;
            assert!(is_candidate || !is_its_turn, "{attempt:?} and not {index}");
            let is_up = attempt.up & 1 << index != 0;
            missed += u64::from(is_candidate && shares::are_by_turn(world.balance, is_up));
        }
        let (total, n) = shares::tier(world, server.backend.priority);
        let most = total * (n - 1) / u64::from(server.backend.weight);
        assert!(
            missed <= most,
            "{index} missed {missed} turns from {well:?} on"
        );

        if let Some(attempt) =
            asked.filter(|attempt| attempt.end == End::Answered && attempt.ended < ill)
        {
            let falls = history.next(index, attempt.ended, false);
            assert!(falls >= ill, "{attempt:?} brought it back until {falls:?}");
        }
    }
}

fn next(backoff: Duration, config: &Config) -> Duration {
    backoff.max((backoff * 2).min(config.max_backoff))
}
