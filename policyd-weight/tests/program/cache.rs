//! The cache: shown, emptied, and shared with processes of spawn(8).

use std::process::Command;

use policy_testing::within;
use serde_json::Value;

use super::{
    PATIENCE,
    world::{GOOD, PROGRAM, World, bad, good, text},
};

#[test]
fn the_cache_of_the_running_daemon_is_shown_and_emptied() {
    let world = World::new("");
    let _running = world.start();
    assert!(world.ask(&bad("1")).starts_with("action=550 "));
    let cached = world.ask(&bad("2"));
    // Why, and how often, is in the answer.
    assert!(
        cached.contains(
            "[cached] - retrying too fast. penalty: 30 seconds x 1 retries. Reason: IN_BL=4.35 "
        ),
        "{cached}"
    );
    assert_eq!(world.ask(&good("3")), GOOD);
    let shown = text(&world.run(&["-s"]).stdout);
    let lines: Vec<_> = shown.lines().collect();
    let of_daemon = format!(
        "of the daemon at {}",
        world.path("lock/polw.sock").display()
    );
    assert_eq!(
        lines[..2],
        [
            "*** querying cache for content stats:".to_owned(),
            format!("*** {of_daemon}")
        ]
    );
    assert!(
        lines[2].starts_with("blocked: 100.70.1.1 ")
            && lines[3].starts_with("pass: 100.64.2.10-acme.test -4.6 60 "),
        "{shown}"
    );
    for count in [2, 0] {
        let emptied = world.run(&["-k"]);
        let said = format!("*** {count} forgotten {of_daemon}\n");
        assert_eq!(
            (emptied.status.code(), text(&emptied.stdout)),
            (Some(0), said)
        );
    }
    assert_eq!(world.cached(&[]), [""; 0]);
    assert_eq!(world.ask(&good("4")), GOOD);
}

#[test]
fn recipients_of_one_mail_are_known_on_all_connections() {
    let world = World::new("");
    let _running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    let rejected = world.ask(&bad("2"));
    assert_eq!(
        world.ask(&good("1")),
        "action=DUNNO multirecipient-mail - already accepted by previous query"
    );
    assert_eq!(
        world.ask(&bad("2")),
        format!("{rejected} (multirecipient mail)")
    );
}

#[test]
fn requests_on_standard_input_share_the_cache() {
    let world = World::new("");
    let spawn = |input: &str| world.feed(&[], input);
    let first = spawn(&(good("1") + "nonsense\n" + &good("1")));
    let expected = format!(
        "{GOOD}\n\naction=DUNNO multirecipient-mail - already accepted by previous query\n\n"
    );
    assert_eq!(text(&first.stdout), expected);
    assert_eq!(
        text(&spawn(&good("2")).stdout),
        "action=PREPEND X-policyd-weight: using cached result; rate: -4.6\n\n"
    );
    let wrong = spawn("request=other\n\n");
    assert_eq!(
        (
            wrong.status.code(),
            text(&wrong.stdout).as_str(),
            text(&wrong.stderr).as_str()
        ),
        (Some(255), "", "fatal: unrecognized request type: 'other'\n")
    );
}

/// The cache of processes of spawn(8) is the host's: it is shown, emptied, and taken over by a daemon.
#[test]
fn the_cache_of_spawned_processes_is_shown_and_emptied() {
    let world = World::new("");
    let spawn = |request: &str| text(&world.feed(&[], request).stdout);
    let known = |request: &str| spawn(request).contains("using cached result");
    assert!(spawn(&good("1")).starts_with(GOOD));
    assert!(spawn(&bad("2")).starts_with("action=550 "));
    let of_file = format!(
        "of the file {}: no daemon listens at {}\n",
        world.path("lock/cache.sqlite").display(),
        world.path("lock/polw.sock").display()
    );
    let shown = text(&world.run(&["-s"]).stdout);
    assert!(shown.contains(&format!("*** {of_file}")), "{shown}");
    let entries = world.cached(&[]);
    assert!(
        entries.len() == 2
            && entries[0].starts_with("blocked: 100.70.1.1 ")
            && entries[1].starts_with("pass: 100.64.2.10-acme.test -4.6 60 "),
        "{entries:?}"
    );
    assert!(known(&good("3")));
    let emptied = world.run(&["-k"]);
    let said = format!("*** 2 forgotten {of_file}");
    assert_eq!(
        (emptied.status.code(), text(&emptied.stdout)),
        (Some(0), said)
    );
    assert_eq!(world.cached(&[]), [""; 0]);
    assert!(!known(&good("4")));

    // Beside a daemon as well, which has read the file before, although root has made it.
    let running = world.start();
    assert!(world.ask(&good("5")).contains("using cached result"));
    assert!(spawn(&bad("6")).starts_with("action=550 Mail"));
    assert_eq!(world.cached(&[]).len(), 2);
    assert!(world.run(&["-k"]).status.success());
    assert_eq!(world.cached(&[]), [""; 0]);
    assert!(!known(&good("7")));
    drop(running);
    assert_eq!(
        world.cached(&[]).len(),
        1,
        "the daemon has written nothing of before"
    );
}

#[test]
fn without_a_socket_the_cache_is_in_memory_alone() {
    let world = World::new("$SPATH = '';");
    let mut running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    assert!(world.ask(&good("2")).contains("using cached result"));
    let files = std::fs::read_dir(world.path("lock")).unwrap();
    assert_eq!(files.count(), 0);
    for word in ["-s", "-k"] {
        let output = world.run(&[word]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{word}: {said}");
        assert!(said.contains("$SPATH is empty"), "{word}: {said}");
    }
    running.kill();
    drop(running);
    let _running = world.start();
    assert_eq!(world.ask(&good("3")), GOOD);
}

/// What a process of spawn(8) has learnt a daemon knows within a second.
#[test]
fn a_daemon_knows_what_spawned_processes_have_learnt() {
    let world = World::new("");
    let control = world.path("control");
    world.configure(&format!("$CONTROL = 'unix:{}';", control.display()));
    let _running = world.start();
    // It asks the daemon for what it has in memory.
    let known = || {
        let mut command = Command::new(PROGRAM);
        command.args(["ctl", "--socket"]).arg(&control);
        let status = command.args(["status", "--json"]).output().unwrap();
        let status: Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
        [0, 1].map(|cache| status["caches"][cache]["clients"] == 1)
    };
    // At the second time right after it was emptied.
    for round in ["1", "2"] {
        let mail = |number: &str| number.to_owned() + round;
        assert!(text(&world.feed(&[], &good("1")).stdout).starts_with(GOOD));
        assert!(text(&world.feed(&[], &bad("2")).stdout).starts_with("action=550 Mail"));
        assert!(within(PATIENCE, || known() == [true; 2]));
        let known = world.ask(&good(&mail("3")));
        assert!(known.contains("using cached result"), "{known}");
        let known = world.ask(&bad(&mail("4")));
        assert!(known.contains("[cached] - retrying too fast."), "{known}");
        // And what the daemon has forgotten the file has not.
        assert!(world.run(&["-k"]).status.success());
    }
    assert_eq!(world.ask(&good("5")), GOOD);
}
