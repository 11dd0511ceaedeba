//! The cache: shown, emptied, shared, and there again after a restart.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use policy_testing::within;

use super::{
    PATIENCE,
    world::{GOOD, PROGRAM, World, bad, good, has, text},
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

/// A copy of the file alone is the whole cache, whoever was the last one to use it.
#[test]
fn the_file_of_the_cache_is_whole_once_nobody_has_it_open() {
    let world = World::new("");
    let is_whole = |who: &str| {
        let log = world.path("lock/cache.sqlite-wal");
        let length = log.metadata().map_or(0, |log| log.len());
        assert_eq!(length, 0, "{who}");
    };
    let running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    drop(running);
    is_whole("a daemon");
    assert!(has(&world.path("lock/cache.sqlite"), "100.64.2.10"));
    let answered = text(&world.feed(&[], &bad("2")).stdout);
    assert!(answered.starts_with("action=550 Mail"), "{answered}");
    is_whole("a process of spawn(8)");
    assert_eq!(world.cached(&[]).len(), 2);
    is_whole("who shows it");
    assert!(world.run(&["-k"]).status.success());
    is_whole("who empties it");
}

/// What a daemon does not answer is no empty cache.
#[test]
fn a_daemon_that_does_not_answer_is_no_empty_cache() {
    let world = World::new("");
    std::fs::create_dir_all(world.path("lock")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(world.path("lock/polw.sock")).unwrap();
    for name in ["lock", "lock/polw.sock"] {
        world.give(name);
    }
    // As many clients as there are runs: each is closed without an answer.
    std::thread::spawn(move || {
        for client in socket.incoming().take(2) {
            let _ = client.map(|client| client.shutdown(std::net::Shutdown::Both));
        }
    });
    for word in ["-s", "-k"] {
        let refused = world.run(&[word]);
        assert_eq!(refused.status.code(), Some(1), "{word}");
        let said = text(&refused.stderr);
        assert!(
            said.starts_with("cannot ask the daemon at ") && !said.contains("denied"),
            "{word}: {said}"
        );
    }
    assert!(world.path("lock/polw.sock").exists());
}

/// Nothing is lost but what came in the last second.
#[test]
fn the_cache_outlives_a_daemon_that_is_killed() {
    let world = World::new("");
    let mut running = world.start();
    assert!(world.ask(&bad("1")).starts_with("action=550 "));
    assert_eq!(world.ask(&good("2")), GOOD);
    let is_written = |client: &str| {
        let files = ["lock/cache.sqlite", "lock/cache.sqlite-wal"];
        files.iter().any(|file| has(&world.path(file), client))
    };
    let written = within(PATIENCE, || {
        is_written("100.70.1.1") && is_written("100.64.2.10-acme.test")
    });
    assert!(written, "the file has no entries");
    running.kill();
    drop(running);

    // Where no daemon runs, the file is shown.
    let shown = text(&world.run(&["-s"]).stdout);
    assert!(
        shown.contains("\nblocked: 100.70.1.1 ")
            && shown.contains("\npass: 100.64.2.10-acme.test "),
        "{shown}"
    );
    let running = world.start();
    assert!(
        world
            .ask(&bad("3"))
            .contains(" [cached] - retrying too fast.")
    );
    assert!(
        world
            .ask(&good("4"))
            .ends_with("using cached result; rate: -4.6")
    );
    drop(running);

    // Where no daemon runs, the file is emptied.
    assert!(world.run(&["-k"]).status.success());
    assert_eq!(world.cached(&[]), [""; 0]);
    let _running = world.start();
    assert_eq!(world.ask(&good("5")), GOOD);
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

#[test]
fn what_a_cache_of_before_has_left_is_removed() {
    let world = World::new("");
    std::fs::create_dir_all(world.path("lock/cache_lock")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(world.path("lock/polw.sock")).unwrap());
    for name in ["lock", "lock/cache_lock", "lock/polw.sock"] {
        world.give(name);
    }
    let emptied = world.run(&["-k"]);
    assert!(emptied.status.success(), "{emptied:?}");
    let said = text(&emptied.stderr);
    assert!(
        said.contains("warning: -k action but ")
            && said.contains("polw.sock still exists, deleting it\n"),
        "{said}"
    );
    assert!(
        said.contains("warning: removing stale ") && said.contains("/cache_lock\n"),
        "{said}"
    );
    assert_eq!(std::fs::read_dir(world.path("lock")).unwrap().count(), 0);
    let again = world.run(&["-k"]);
    let said = format!(
        "*** 0 forgotten of the file {}, which is not there: no daemon listens at {}\n",
        world.path("lock/cache.sqlite").display(),
        world.path("lock/polw.sock").display()
    );
    assert_eq!(
        (text(&again.stdout), text(&again.stderr)),
        (said, String::new())
    );
}

/// What root tries by hand keeps nothing from the daemon's user: neither the directory nor the file is root's then.
#[test]
fn a_process_of_roots_makes_the_cache_for_the_daemons_user() {
    use std::os::unix::fs::MetadataExt;
    let owner = |world: &World, name: &str| std::fs::metadata(world.path(name)).unwrap().uid();
    let world = World::new("$USER = '12345'; $GROUP = '12345';");
    assert_eq!(text(&world.feed(&[], &good("1")).stdout).trim_end(), GOOD);
    for name in ["lock", "lock/cache.sqlite"] {
        assert_eq!(owner(&world, name), 12_345, "{name}");
    }
    assert_eq!(world.cached(&[]).len(), 1);
    // A start that fails leaves no directory of root's either.
    let world = World::new("$USER = 'no-such-user';");
    let started = world.run(&["start"]);
    assert_eq!(started.status.code(), Some(255));
    assert!(!world.path("lock").exists());
}

/// What a process of spawn(8) has learnt a daemon knows with its next request.
#[test]
fn a_daemon_knows_what_spawned_processes_have_learnt() {
    let world = World::new("");
    let _running = world.start();
    assert!(text(&world.feed(&[], &good("1")).stdout).starts_with(GOOD));
    assert!(world.ask(&good("2")).contains("using cached result"));
    assert!(text(&world.feed(&[], &bad("3")).stdout).starts_with("action=550 Mail"));
    let known = world.ask(&bad("4"));
    assert!(known.contains("[cached] - retrying too fast."), "{known}");
    // And what the daemon has forgotten the file has not.
    assert!(world.run(&["-k"]).status.success());
    assert_eq!(world.ask(&good("5")), GOOD);
}

/// What somebody has removed is no daemon that has ended: its cache is in its memory.
#[test]
fn a_daemon_without_its_socket_is_not_taken_for_none() {
    let world = World::new("");
    let running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    // The socket comes after the port.
    assert_eq!(world.cached(&[]).len(), 1);
    let socket = world.path("lock/polw.sock");
    std::fs::remove_file(&socket).unwrap();
    for word in ["-s", "-k"] {
        let refused = world.run(&[word]);
        let why = format!(
            "process {} runs, and does not listen at {}: its cache is not reached; restart it\n",
            world.pid(),
            socket.display()
        );
        assert_eq!(
            (refused.status.code(), text(&refused.stderr)),
            (Some(1), why),
            "{word}"
        );
    }
    assert!(world.ask(&good("2")).contains("using cached result"));
    drop(running);
    assert_eq!(world.cached(&[]).len(), 1);
}

/// Another process that has the file for itself.
struct Locker {
    child: Child,
    input: ChildStdin,
}

impl Locker {
    fn lock(path: &Path) -> Self {
        let mut command = Command::new("sqlite3");
        command.arg(path);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let lock = b".timeout 10000\nBEGIN EXCLUSIVE;\nSELECT 'locked';\n";
        input.write_all(lock).unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "locked\n");
        Self { child, input }
    }

    fn unlock(mut self) {
        self.input.write_all(b"ROLLBACK;\n.quit\n").unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

/// Emptied is all of it or nothing: what ends with 1 has changed nothing.
#[test]
fn a_cache_whose_file_cannot_be_written_stays_as_it_is() {
    let world = World::new("");
    let control = world.path("control");
    world.configure(&format!("$CONTROL = 'unix:{}';", control.display()));
    let running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    assert!(world.ask(&bad("2")).starts_with("action=550 Mail"));
    let cached = world.cached(&[]);
    assert_eq!(cached.len(), 2);
    let keys = |entries: Vec<String>| -> Vec<String> {
        let key = |entry: &String| entry.split(' ').nth(1).unwrap().to_owned();
        entries.iter().map(key).collect()
    };
    let forget = || {
        let words = ["ctl", "--socket", control.to_str().unwrap()];
        let mut command = Command::new(PROGRAM);
        command.args(words).args(["cache", "forget", "100.70.1.1"]);
        command.output().unwrap()
    };
    // SQLite waits for as long as the caller.
    let is_locked = |said: &str| said.contains("locked") || said.contains("no answer within 1s");
    let file = world.path("lock/cache.sqlite");
    let locker = Locker::lock(&file);
    let refused = world.run(&["-k"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("could not empty its cache, which stays as it is: ") && is_locked(&said),
        "{said}"
    );
    let refused = forget();
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(is_locked(&said), "{said}");
    assert!(world.ask(&bad("3")).contains("[cached]"));
    assert!(world.ask(&good("4")).contains("using cached result"));
    locker.unlock();
    assert_eq!(keys(world.cached(&[])), keys(cached));

    let done = within(PATIENCE, || forget().status.success());
    assert!(done);
    assert!(world.ask(&bad("5")).starts_with("action=550 Mail"));
    // The same without a daemon.
    drop(running);
    let locker = Locker::lock(&file);
    let refused = world.run(&["-k"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(is_locked(&said), "{said}");
    locker.unlock();
    assert_eq!(world.cached(&[]).len(), 2);
    assert!(world.run(&["-k"]).status.success());
    assert_eq!(world.cached(&[]), [""; 0]);
}
