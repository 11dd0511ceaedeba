//! Our `hapolicy` beside the Perl script of the Debian package `hapolicy`: the same command lines,
//! the same input, the same policy servers, and all that can be seen from outside is compared.
//!
//! Here are the table of cases, the differences that are allowed, and the report. The cases are numbered: 3 is what a
//! drop-in replacement keeps, 2 the defects that it mends. `HAPOLICY_CASES=3.4` runs those alone whose number begins so.
#![allow(unreachable_pub, reason = "the modules of a test are private anyway")]

mod answers;
mod case;
mod compare;
mod decided;
mod decided_log;
mod expect;
mod failover;
mod logging;
mod mended;
mod mended_services;
mod mended_too;
mod options;
mod parts;
mod program;
mod reasons;
mod requests;
mod room;
mod selection;
mod servers;
mod services;
mod spawn;
mod stdio;
mod stdout;
mod syslog;
mod time;
mod world;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;
use std::{env, thread};

use case::{Case, Why};
use program::{Program, run};
use room::Room;

/// Run again inside the namespaces that [`world`] makes, it works through the table.
#[test]
fn every_clause_is_kept_and_every_defect_is_mended() {
    world::enter_and(work_through);
}

/// Runs all cases, a few at a time, prints the report and ends the process.
fn work_through(home: &Path) {
    // A resolver that never answers.
    let _resolver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).expect("a port of our own");
    let start = Instant::now();
    let mut cases = all_cases();
    let mut faults = faults_of_the_table(&cases);
    if let Ok(beginning) = env::var("HAPOLICY_CASES") {
        println!("only cases whose number begins with {beginning}");
        cases.retain(|case| case.number.starts_with(&beginning));
    }
    if cases.is_empty() {
        faults.push("no case of that number".to_owned());
    }
    let results: Vec<Mutex<Option<Vec<String>>>> = cases.iter().map(|_| Mutex::default()).collect();
    // Those that may take long come first, so that nobody waits for them at the end.
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.sort_by_key(|&index| cases[index].limit);
    let order = Mutex::new(order);
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (cases, results, order) = (&cases, &results, &order);
            scope.spawn(move || {
                let rooms = ["perl", "ours"].map(|p| Room::open(home, &format!("{p}{worker}")));
                loop {
                    let next = order.lock().expect("no panic under the lock").pop();
                    let Some(index) = next else { break };
                    let wrong = run_case(&cases[index], &rooms);
                    *results[index].lock().expect("no panic under the lock") = Some(wrong);
                }
            });
        }
    });
    let mut failures = 0;
    let mut again = 0;
    let mut details = String::new();
    for (case, result) in cases.iter().zip(results) {
        let result = result.into_inner().expect("no panic under the lock");
        let mut wrong = result.expect("each case was run");
        // A machine that stood still for a moment does not do so twice, a program that is wrong is wrong
        // again. This time it runs alone.
        if !wrong.is_empty() && again < MOST_AGAIN {
            again += 1;
            println!("again, alone: {} {}", case.number, wrong.join("; "));
            let rooms = ["perl", "ours"].map(|p| Room::open(home, &format!("{p}-again{again}")));
            wrong = run_case(case, &rooms);
        }
        let verdict = if wrong.is_empty() { "ok" } else { "FAILED" };
        let reasons: Vec<String> = case.reasons.iter().map(Why::to_string).collect();
        let allowed = match reasons.len() {
            0 => String::new(),
            _ => format!(" [{}]", reasons.join(", ")),
        };
        println!("{verdict} {} {}{allowed}", case.number, case.name);
        if !wrong.is_empty() {
            failures += 1;
            details += &format!(
                "\n{} {}\n  {}\n",
                case.number,
                case.name,
                wrong.join("\n  ")
            );
        }
    }
    for fault in faults {
        failures += 1;
        details += &format!("\nthe table itself: {fault}\n");
    }
    println!("{details}");
    println!(
        "{} cases, {failures} failed, {:.1?}",
        cases.len(),
        start.elapsed()
    );
    world::leave(failures);
}

fn run_case(case: &Case, [perl_room, our_room]: &[Room; 2]) -> Vec<String> {
    let (perl, ours) = thread::scope(|scope| {
        let perl = scope.spawn(|| run(case, Program::Perl, perl_room));
        let ours = run(case, Program::Ours, our_room);
        (perl.join().expect("the other side does not panic"), ours)
    });
    compare::compare(case, &perl, &ours)
}

fn all_cases() -> Vec<Case> {
    [
        options::cases(),
        services::cases(),
        requests::cases(),
        answers::cases(),
        failover::cases(),
        selection::cases(),
        logging::cases(),
        stdout::cases(),
        spawn::cases(),
        time::cases(),
        mended::cases(),
        mended_services::cases(),
        mended_too::cases(),
        decided::cases(),
        decided_log::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What is wrong with the table itself: reasons that are not allowed or not used, numbers given
/// twice, too few cases.
fn faults_of_the_table(cases: &[Case]) -> Vec<String> {
    let mut faults = Vec::new();
    let numbers: BTreeSet<&str> = cases.iter().map(|case| case.number).collect();
    if numbers.len() < cases.len() {
        faults.push("a number is given twice".to_owned());
    }
    let kept = numbers
        .iter()
        .filter(|number| number.starts_with("3."))
        .count();
    if kept < 60 {
        faults.push(format!("only {kept} cases of section 3"));
    }
    let used: BTreeSet<Why> = cases.iter().flat_map(|case| case.reasons.clone()).collect();
    let defects = ALLOWED.iter().map(|(number, _)| Why::Defect(*number));
    let decisions = DECIDED.iter().map(|(key, _, _)| Why::Decided(key));
    let allowed: BTreeSet<Why> = defects.chain(decisions).collect();
    for why in used.symmetric_difference(&allowed) {
        faults.push(format!("{why}: used but not listed, or the reverse"));
    }
    faults
}

/// The differences that are allowed, by their number in section 2 of `compat.md`.
pub const ALLOWED: &[(u8, &str)] = &[
    (1, "time-outs add up; ours: a budget for the whole request"),
    (
        2,
        "a silent server costs its time-out each time; ours: it rests while another answers",
    ),
    (3, "prio compared as text; ours: as a number, and 0 is 0"),
    (
        4,
        "name=addr:port refused; no service left: silence; ours: accepted; an error is logged",
    ),
    (
        5,
        "no answer to another type of request; ours: the default action at once",
    ),
    (
        6,
        "attributes of an ignored request leak into the next; ours: not",
    ),
    (
        7,
        "time-outs that are no whole number never end; ours: fractions, or a warning and 30 s",
    ),
    (
        8,
        "looking up a name takes as long as it takes; ours: within the time-out",
    ),
    (
        9,
        "cut answers, CR, NUL, blanks, any length accepted; ours: refused, one CR dropped",
    ),
    (
        10,
        "attributes before action= make it invalid; ours: skipped",
    ),
    (
        11,
        "a weight that is no number ends the script; ours: a warning, and 1",
    ),
    (
        12,
        "IPv6 and odd addresses are misread; ours: [v6]:port, or invalid",
    ),
    (
        13,
        "-L dies in taint mode or loses lines and answers; ours: prints",
    ),
    (14, "names and values cut to 512 bytes; ours: whole"),
    (
        15,
        "weights ignored for a process's first choice; ours: a weighted start",
    ),
    (
        16,
        "standard error and usage get into the protocol; ours: nothing but replies",
    ),
    (
        17,
        "left-over words are files, odd forms are taken; ours: a wrong command line",
    ),
    (18, "a syslogd that hangs blocks; ours: lines are dropped"),
    (
        19,
        "% doubled, control characters raw, 59.9999999999999 queries; ours: as is, ?, 60",
    ),
    (
        20,
        "SIGPIPE, random order of attributes, silence about odd services; ours: none of it",
    ),
];

/// Those that are decided beside it: the key, its section there, and the difference.
pub const DECIDED: &[(&str, &str, &str)] = &[
    (
        "duplicates",
        "Requests",
        "all go on as they came, the first is used; Perl: the last",
    ),
    ("a NUL in a line", "Requests", "garbage; Perl: forwarded"),
    (
        "a CR within a line",
        "Requests",
        "garbage, noticed; Perl: dropped silently",
    ),
    (
        "an empty name",
        "Requests",
        "garbage; Perl: the = is skipped",
    ),
    (
        "blank lines",
        "Requests",
        "skipped before a request; Perl: a notice",
    ),
    (
        "oversized requests",
        "Requests",
        "a warning and the end; Perl: cut and answered",
    ),
    ("the action 0", "Answers", "an answer; Perl: invalid"),
    (
        "an answer that is not UTF-8",
        "Answers",
        "passed on with one warning; Perl: silently",
    ),
    ("control characters in the log", "Log", "?; Perl: raw"),
    (
        "other characters that command a terminal",
        "Log",
        "\\xNN; Perl: raw",
    ),
    (
        "bytes that are not UTF-8 in the log",
        "Log",
        "\\xNN; Perl: raw",
    ),
    (
        "a line's own syntax in the values it tells",
        "Log",
        "\\xNN; Perl: raw",
    ),
    (
        "at most 64 services",
        "Services",
        "the others are left out with a warning; Perl: any number",
    ),
    (
        "unreadable addresses",
        "Services",
        "left out at the start; Perl: tried at each request",
    ),
    (
        "the ranges of fields",
        "Services",
        "a warning and the default; Perl: anything goes",
    ),
    (
        "inet: and unix:",
        "Services",
        "addresses; Perl: hosts of that name",
    ),
];

const WORKERS: usize = 12;
/// More than a few that fail at first are not the machine's fault.
const MOST_AGAIN: usize = 5;
