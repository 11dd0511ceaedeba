//! One fault, met by a daemon with two services: the first one's, of higher priority.

use std::{fmt::Write, fs, os::unix::fs::PermissionsExt, path::Path, thread, time::Duration};

use super::{Expected, FAULTS, Fault, First, Means, Trouble, well};
use crate::{
    process::{Client, Daemon, about, is_root, policy_client, request},
    stub::Stub,
    within,
};

/// Checks these faults, some at a time, on new connections or on kept ones; panics when one of them
/// is not met as its line in the table says.
pub fn check(faults: impl Fn(&Fault) -> bool, kept: bool) {
    let home = tempfile::tempdir().expect("a directory");
    let all = fs::Permissions::from_mode(0o755);
    fs::set_permissions(home.path(), all).expect("it is ours");
    let expected = |fault: &'static Fault| {
        if kept { fault.kept } else { fault.fresh }
    };
    let cases = FAULTS.iter().filter(|fault| faults(fault));
    let cases = cases.filter_map(|fault| Some((fault, expected(fault)?)));
    let cases: Vec<_> = (10..).zip(cases).collect();
    let mut wrong = String::new();
    for some in cases.chunks(AT_A_TIME) {
        thread::scope(|scope| {
            let home = home.path();
            let case = |&(number, (fault, expected)): &(u8, (&'static Fault, Expected))| {
                let meet = move || meet(fault, expected, kept, number, home);
                (fault.name, scope.spawn(meet))
            };
            let running: Vec<_> = some.iter().map(case).collect();
            for (name, case) in running {
                if let Err(panic) = case.join() {
                    let why = panic.downcast_ref::<String>().map_or("", |why| why);
                    writeln!(wrong, "{name}: {why}").expect("a string takes all");
                }
            }
        });
    }
    assert!(!cases.is_empty() && wrong.is_empty(), "\n{wrong}");
}

fn meet(fault: &'static Fault, expected: Expected, kept: bool, number: u8, home: &Path) {
    let means = Means {
        home,
        policy_client: Path::new(policy_client()),
        number,
    };
    let first = First::start(fault, means);
    let second = Stub::tcp(well("second"));
    // Where only time shows the fault it has to pass; else the answer must not wait for it.
    let timeout = if expected.costs_a_timeout() { 1 } else { 60 };
    let services = [
        format!("first={}:1:1:{timeout}", first.address()),
        format!("second={}:2:1:60", second.address()),
    ];
    let mut args = vec!["-s", &services[0], "-s", &services[1], "-d", "default"];
    if matches!(fault.trouble, Trouble::Forbidden) && is_root() {
        args.extend(["--user", "nobody"]);
    }
    let daemon = Daemon::tcp(&args);
    let mut client = daemon.connect();
    client.set_patience(PATIENCE);
    if kept {
        let well = within(PATIENCE, || ask(&mut client, "before") == "first");
        assert!(well, "{}", daemon.process.out.text());
    }

    first.begin();
    for mark in ["during", "after that"] {
        if mark == "during" || expected.is_lasting() {
            let action = ask(&mut client, mark);
            assert_eq!(action, expected.action, "{}", daemon.process.out.text());
        }
    }
    // It is not blamed for a time in which the daemon stood still: then the next request shows it.
    let is_down = || {
        let log = about(&daemon.process.out.text(), "first");
        log.iter().any(|line| line.contains("is down"))
    };
    if expected.costs_a_timeout() {
        within(PATIENCE, || {
            is_down() || ask(&mut client, "once more") != expected.action
        });
    }
    first.end();
    if !first.is_always_in_trouble() {
        let back = within(PATIENCE, || ask(&mut client, "at the end") == "first");
        assert!(back, "it does not come back: {}", daemon.process.out.text());
    }

    let log = daemon.stop().out;
    let blames = about(&log, "first");
    let down = blames.iter().filter(|line| line.contains("is down"));
    match expected.blame {
        // Over a connection that there was, it is the answer that did not come in time.
        Some(reason @ "timed out") => {
            let is_late = |line: &str| line.contains(reason) || line.contains("no answer within");
            assert!(down.clone().any(|line| is_late(line)), "{log}");
        }
        Some(reason) => assert!(down.clone().any(|line| line.contains(reason)), "{log}"),
        None => assert_eq!(blames, [""; 0], "nobody is to blame"),
    }
    assert_eq!(about(&log, "second"), [""; 0], "{log}");
}

/// The name of the service that answered; its answer must be to this request.
fn ask(client: &mut Client, mark: &str) -> String {
    let action = client.ask(&request(&[("sender", mark), ("instance", "")]));
    match action.split_once(' ') {
        Some((name, answered)) => {
            assert_eq!(answered, mark, "an answer to another request");
            name.to_owned()
        }
        None => action,
    }
}

/// Less than it takes until the first service's time is over where nothing else shows the fault: half of
/// the deadline of 90 s.
const PATIENCE: Duration = Duration::from_secs(40);
/// Each has a daemon of its own.
const AT_A_TIME: usize = 8;
