//! Our `hapolicy` beside the Perl script of the Debian package `hapolicy`: the same command lines, the same input
//! and the same policy servers, and everything that is visible from outside is compared.
//!
//! The number of a case is that of its clause: `3.` for what a drop-in replacement keeps, `2.` for the script's
//! defects that ours does not have (`[defect 5]`), `I.` for other differences that are decided. A filter selects
//! cases by a part of the name, as with any test: `cargo test ... --test perl_side_by_side -- 3.4.`
//!
//! The test needs root, for namespaces of its own, and the Debian packages hapolicy and iproute2.
#![allow(unreachable_pub, reason = "the modules of a test have no outside")]

mod case;
mod cases;
mod compare;
mod differences;
mod expect;
mod program;
mod reasons;
mod servers;
mod stdio;
mod syslog;
mod texts;
mod world;

use std::net::{Ipv4Addr, UdpSocket};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::thread;

use libtest_mimic::{Arguments, Failed, Trial};

use case::Case;
use policy_testing::port::Port;
use policy_testing::stub::{Reply, Script, Stub};
use program::{Program, run};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Most of them wait most of the time.
    arguments.test_threads.get_or_insert(12);
    let mut cases = cases::all();
    let faults = differences::faults_of_the_table(&cases);
    let table = Trial::test(
        "the table: numbers are given once, differences have reasons",
        move || verdict(&faults),
    );
    // Those that may take long come first, so that nothing waits for them at the end.
    cases.sort_by_key(|case| std::cmp::Reverse(case.limit));
    let trials = cases.into_iter().map(|case| {
        let kind = case.reasons.join(", ");
        Trial::test(case.name, move || prove(&case)).with_kind(kind)
    });
    let trials = [table].into_iter().chain(trials).collect();

    let _resolver = (!arguments.list).then(|| {
        world::enter();
        // A resolver that never answers.
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).expect("a port of our own")
    });
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs a case, and once more, with no other case at the same time, where it fails: a machine that stood still for a
/// moment does not do so twice, a program that is wrong is wrong again.
fn prove(case: &Case) -> Result<(), Failed> {
    let mut wrong = {
        let _beside_others = ALONE.read().unwrap_or_else(PoisonError::into_inner);
        side_by_side(case)
    };
    if !wrong.is_empty() && AGAIN.fetch_add(1, Ordering::Relaxed) < MOST_AGAIN {
        let _alone = ALONE.write().unwrap_or_else(PoisonError::into_inner);
        eprintln!("again, alone: {}\n  {}", case.name, wrong.join("\n  "));
        wrong = side_by_side(case);
    }
    verdict(&wrong)
}

fn side_by_side(case: &Case) -> Vec<String> {
    thread::scope(|scope| {
        let perl = scope.spawn(|| run(case, Program::Perl));
        let ours = run(case, Program::Ours);
        let perl = perl.join().expect("the other side does not panic");
        compare::compare(case, &perl, &ours)
    })
}

fn verdict(wrong: &[String]) -> Result<(), Failed> {
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n").into())
    }
}

/// Held by each case that runs, and by one that runs alone.
static ALONE: RwLock<()> = RwLock::new(());
/// How many cases have run again.
static AGAIN: AtomicUsize = AtomicUsize::new(0);
/// More than a few that fail at first are not the machine's fault.
const MOST_AGAIN: usize = 5;
