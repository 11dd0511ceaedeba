//! Transcripts of the Perl program hold for ours with `--compat`: answers, lines of the log, questions to DNS.
//!
//! `perl.txt` was observed and written down, `more.txt` was recorded. With the feature `interop` the Perl program of
//! Debian's package is run beside, and has to answer so as well. `POLICYD_WEIGHT_RECORD=1` prints what it answers.

#![allow(
    unreachable_pub,
    reason = "a program of its own: its parts see each other"
)]

mod case;
mod program;
mod random;
mod run;
mod syslog;
mod world;
mod zone;

use std::{path::Path, process::ExitCode, sync::Arc, thread};

use libtest_mimic::{Arguments, Trial};

use crate::{
    case::{Case, Step},
    program::Kind,
    syslog::Syslog,
};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let directory = tempfile::tempdir().expect("a directory");
    if !arguments.list {
        world::enter(directory.path());
    }
    let log = if arguments.list {
        Syslog::default()
    } else {
        Syslog::bind(Path::new("/dev/log"))
    };
    if !arguments.list {
        // The programs' user writes to it.
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o666);
        std::fs::set_permissions("/dev/log", mode).expect("a mode");
    }
    let records = std::env::var_os("POLICYD_WEIGHT_RECORD").is_some();
    let kinds: &[Kind] = if records {
        &[Kind::Perl]
    } else if cfg!(feature = "interop") {
        &[Kind::Ours, Kind::Perl]
    } else {
        &[Kind::Ours]
    };
    let cases = [include_str!("perl.txt"), include_str!("more.txt")]
        .into_iter()
        .flat_map(case::read);
    let mut trials = vec![];
    for (number, case) in (1..).zip(cases) {
        let case = Arc::new(case);
        for &kind in kinds {
            let (case, log) = (Arc::clone(&case), log.clone());
            let name = format!(
                "{}_{}",
                case.name,
                if kind == Kind::Ours { "ours" } else { "perl" }
            );
            trials.push(Trial::test(name, move || {
                if records {
                    record(&case, number, &log)
                } else {
                    check(&case, kind, number, &log)
                }
            }));
        }
    }
    let number = u16::try_from(trials.len()).expect("a number") + 1;
    for (number, seed) in (number..).zip(seeds()) {
        let log = log.clone();
        let trial = move || check_beside_perl(&random::case(seed), number, &log);
        if cfg!(feature = "interop") && !records {
            trials.push(Trial::test(format!("random_{seed}"), trial));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// `POLICYD_WEIGHT_SEED=100` is the first of others.
fn seeds() -> impl Iterator<Item = u64> {
    let first = std::env::var("POLICYD_WEIGHT_SEED").ok();
    let first = first.map_or(1, |first| first.parse().expect("a number"));
    first..first + SEEDS
}

fn check(case: &Case, kind: Kind, number: u16, log: &Syslog) -> Result<(), libtest_mimic::Failed> {
    let results = run::run(case, kind, number, log);
    if results.iter().all(|(expected, got)| expected == got) {
        return Ok(());
    }
    let lines = results.iter().map(|(expected, got)| {
        if expected == got {
            run::shown(got)
        } else {
            format!(
                "expected:\n{}\ngot:\n{}",
                run::shown(expected),
                run::shown(got)
            )
        }
    });
    Err(lines.collect::<Vec<_>>().join("\n").into())
}

/// Both programs come to the same.
fn check_beside_perl(case: &Case, number: u16, log: &Syslog) -> Result<(), libtest_mimic::Failed> {
    let come_to = |kind| {
        let results = run::run(case, kind, number, log);
        results.into_iter().map(|(_, got)| got).collect::<Vec<_>>()
    };
    let (ours, perl) = thread::scope(|scope| {
        let perl = scope.spawn(|| come_to(Kind::Perl));
        (come_to(Kind::Ours), perl.join().expect("no panic"))
    });
    let mut lines = vec![];
    let mut request = None;
    for (ours, perl) in ours.iter().zip(&perl) {
        if matches!(ours, Step::Request(_)) {
            request = Some(ours);
        }
        if ours != perl {
            lines.extend(request.take().map(run::shown));
            lines.push(format!(
                "ours:\n{}\nperl:\n{}",
                run::shown(ours),
                run::shown(perl)
            ));
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    let zone = case.zone.join("\n");
    Err(format!("{}{zone}\n{}", case.config, lines.join("\n")).into())
}

/// Prints what the Perl program answers, as a transcript: requests alone are enough as the input.
fn record(case: &Case, number: u16, log: &Syslog) -> Result<(), libtest_mimic::Failed> {
    let mut case = case.clone();
    let steps = std::mem::take(&mut case.steps).into_iter();
    case.steps = steps
        .filter(|step| !matches!(step, Step::Answer(_) | Step::Log(_)))
        .flat_map(|step| {
            let log = matches!(step, Step::Request(_)).then(|| Step::Log(String::new()));
            [Some(step), log].into_iter().flatten()
        })
        .collect();
    let results = run::run(&case, Kind::Perl, number, log);
    let got: Vec<_> = results
        .into_iter()
        .map(|(_, got)| got)
        .filter(|step| *step != Step::Log(String::new()) && !matches!(step, Step::Decided(_)))
        .collect();
    let mut text = format!("{}\n", case.name);
    text.extend(
        case.config
            .lines()
            .map(|line| format!("   config: {line}\n")),
    );
    text.extend(case.zone.iter().map(|line| format!("   dns: {line}\n")));
    text.extend(got.iter().map(|step| run::shown(step) + "\n"));
    print!("{text}");
    Ok(())
}

/// How many random cases there are.
const SEEDS: u64 = 8;
