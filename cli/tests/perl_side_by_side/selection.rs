//! Section 3, clause 7: who is asked first.

use std::collections::BTreeMap;

use policy_testing::stub::Script;

use super::case::{Aspect, Case, Why, case};
use super::expect::Expect;
use super::parts::{FULL, NONE, ask};
use super::program::Outcome;

pub fn cases() -> Vec<Case> {
    let mut cases = tiers();
    cases.extend(shares());
    cases.extend(smoothness());
    cases.extend(first_choices());
    cases
}

fn tiers() -> Vec<Case> {
    let a_first = |number, name, args: &[&str]| {
        case(number, name)
            .named("A")
            .named("B")
            .args(args)
            .send(FULL)
            .send(FULL)
            .stdout("action=A\n\naction=A\n\n")
            .log(NONE)
            .received("A", [FULL, FULL])
            .received("B", NONE)
    };
    vec![
        a_first(
            "3.7.a",
            "the lower prio",
            &["-s", "A={A}:1", "-s", "B={B}:2"],
        ),
        a_first(
            "3.7.b",
            "whatever the order of -s",
            &["-s", "B={B}:2", "-s", "A={A}:1"],
        ),
        a_first("3.7.c", "1 before 10", &["-s", "B={B}:10", "-s", "A={A}:1"]),
        a_first(
            "3.7.d",
            "10 by default: before 11",
            &["-s", "B={B}:11", "-s", "A={A}:"],
        ),
        a_first(
            "3.7.e",
            "10 by default: after 09",
            &["-s", "B={B}:", "-s", "A={A}:09"],
        ),
        a_first(
            "3.7.f",
            "10 before 20, 100 before 200",
            &["-s", "B={B}:20", "-s", "A={A}:10"],
        ),
        a_first(
            "3.7.g",
            "100 before 200",
            &["-s", "B={B}:200", "-s", "A={A}:100"],
        ),
        a_first(
            "3.7.h",
            "whatever the weights",
            &["-s", "B={B}:2:100", "-s", "A={A}:1:1"],
        ),
    ]
}

/// Exact shares within a process, whoever comes first.
fn shares() -> Vec<Case> {
    vec![
        shared("3.7.i", "1:1 over 60", &[("A", 1, 30), ("B", 1, 30)]),
        shared("3.7.j", "2:1 over 60", &[("A", 2, 40), ("B", 1, 20)]),
        shared(
            "3.7.k",
            "3:2:1 over 60",
            &[("A", 3, 30), ("B", 2, 20), ("C", 1, 10)],
        ),
        shared("3.7.l", "10:1 over 220", &[("A", 10, 200), ("B", 1, 20)]),
        shared(
            "3.7.m",
            "7:5:3 over 150",
            &[("A", 7, 70), ("B", 5, 50), ("C", 3, 30)],
        ),
        shared("3.7.n", "100:1 over 202", &[("A", 100, 200), ("B", 1, 2)]),
    ]
}

fn smoothness() -> Vec<Case> {
    let ours_only = |case: Case, turn: usize, counts: &'static [(&'static str, usize)]| {
        case.check(move |_, ours| every_window(ours, turn, counts))
    };
    let both = |case: Case, turn: usize, counts: &'static [(&'static str, usize)]| {
        case.check(move |perl, _| every_window(perl, turn, counts))
            .check(move |_, ours| every_window(ours, turn, counts))
    };
    vec![
        both(
            shared("3.7.o", "2:1 is a b a a b a", &[("A", 2, 20), ("B", 1, 10)]),
            3,
            &[("A", 2), ("B", 1)],
        ),
        both(
            shared(
                "3.7.p",
                "three equal ones take turns",
                &[("A", 1, 10), ("B", 1, 10), ("C", 1, 10)],
            ),
            3,
            &[("A", 1), ("B", 1), ("C", 1)],
        ),
        both(
            shared("3.7.q", "4:1 is smooth", &[("A", 4, 40), ("B", 1, 10)]),
            5,
            &[("A", 4), ("B", 1)],
        ),
        // Perl's period drifts (3 x 1/3 is not 1): there, no three in a row is all that holds.
        ours_only(
            shared(
                "3.7.r",
                "3:2:1 is smooth",
                &[("A", 3, 30), ("B", 2, 20), ("C", 1, 10)],
            ),
            6,
            &[("A", 3), ("B", 2), ("C", 1)],
        )
        .check(|perl, ours| longest_run(perl, 2).and_then(|()| longest_run(ours, 2))),
    ]
}

/// What chance decides between processes.
fn first_choices() -> Vec<Case> {
    let processes = |number, name, runs: usize, args: &[&str]| {
        case(number, name)
            .stub("A", Script::answer("x"))
            .stub("B", Script::answer("x"))
            .args(args)
            .runs(runs)
            .send(FULL)
            .stdout("action=x\n\n".repeat(runs))
            .log(NONE)
            .by_check(&[Aspect::Received, Aspect::Connections])
            .limit(60)
    };
    vec![
        // A fair coin gives fewer than 6 of 40 heads or tails once in some 100,000 runs.
        processes(
            "3.7.s",
            "equal ones share fairly with one request per process",
            40,
            &["-s", "A={A}:", "-s", "B={B}:"],
        )
        .check(|perl, ours| {
            for (side, seen) in [("perl", perl), ("ours", ours)] {
                let (a, b) = (seen.connections_of("A"), seen.connections_of("B"));
                if a + b != 40 || a < 6 || b < 6 {
                    return Err(format!("{side}: first choices {a} and {b} of 40"));
                }
            }
            Ok(())
        }),
        // Perl: 30 of 60 are expected, fewer than 12 are not. Ours: one in 101, 9 of 60 are not.
        processes(
            "2.15.a",
            "weights count for the first choice too",
            60,
            &["-s", "A={A}::100", "-s", "B={B}::1"],
        )
        .differs(Why::Defect(15), Expect::new(), Expect::new())
        .check(|perl, ours| {
            let (perl, ours) = (perl.connections_of("B"), ours.connections_of("B"));
            if perl < 12 || ours > 8 {
                return Err(format!(
                    "weight 1 beside 100, of 60: perl {perl}, ours {ours}"
                ));
            }
            Ok(())
        }),
    ]
}

/// Services in one tier: name, weight, and how many requests each gets.
fn shared(
    number: &'static str,
    name: &'static str,
    services: &'static [(&'static str, usize, usize)],
) -> Case {
    let total: usize = services.iter().map(|(_, _, count)| count).sum();
    let mut case = case(number, name)
        .send((1..=total).map(ask).collect::<String>())
        .stdout("action=x\n\n".repeat(total))
        .log(NONE)
        .by_check(&[Aspect::Received]);
    for (service, weight, count) in services {
        case = case
            .stub(service, Script::answer("x"))
            .args(["-s", &format!("{service}={{{service}}}:10:{weight}")])
            .connections(service, *count);
    }
    case.check(|perl, ours| {
        for (side, seen) in [("perl", perl), ("ours", ours)] {
            let order = order(seen);
            let expected: usize = seen.requests.iter().map(|(_, r)| r.len()).sum();
            if order.len() != expected {
                return Err(format!(
                    "{side}: {expected} requests, {} different",
                    order.len()
                ));
            }
        }
        Ok(())
    })
}

/// Who got the requests 1, 2, 3, ...
fn order(outcome: &Outcome) -> Vec<&'static str> {
    let mut order = BTreeMap::new();
    for (stub, requests) in &outcome.requests {
        for request in requests {
            let text = String::from_utf8_lossy(request);
            let mark = text.lines().find_map(|line| line.strip_prefix("queue_id="));
            let mark: usize = mark.and_then(|m| m.parse().ok()).expect("the number sent");
            order.insert(mark, *stub);
        }
    }
    order.into_values().collect()
}

/// Each stretch of that many requests is shared so.
fn every_window(
    outcome: &Outcome,
    turn: usize,
    counts: &[(&'static str, usize)],
) -> Result<(), String> {
    let order = order(outcome);
    let fair = |window: &[&str]| {
        let count = |stub| window.iter().filter(|s| **s == stub).count();
        counts
            .iter()
            .all(|(stub, expected)| count(*stub) == *expected)
    };
    match order.windows(turn).all(fair) {
        true => Ok(()),
        false => Err(format!("not smooth: {}", order.concat())),
    }
}

fn longest_run(outcome: &Outcome, most: usize) -> Result<(), String> {
    let order = order(outcome);
    let longest = order.chunk_by(|a, b| a == b).map(<[_]>::len).max();
    match longest.unwrap_or(0) <= most {
        true => Ok(()),
        false => Err(format!("not smooth: {}", order.concat())),
    }
}
