//! The file of the cache: whole at each end, there after a daemon that was killed, and what keeps it from being written.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use policy_testing::within;

use super::{
    PATIENCE,
    world::{GOOD, PROGRAM, World, bad, good, has, text},
};

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

/// What root tries by hand keeps nothing from the daemon's user: neither the directory nor the file is root's then.
#[test]
fn a_process_of_roots_makes_the_cache_for_the_daemons_user() {
    let owner = |world: &World, name: &str| fs::metadata(world.path(name)).unwrap().uid();
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

/// A file system that nothing can be written to, such as one with errors, or a copy.
#[test]
fn the_cache_on_a_read_only_file_system_is_shown() {
    let world = World::new("");
    let running = world.start();
    assert_eq!(world.ask(&good("1")), GOOD);
    // It leaves the file alone, without a log beside it.
    drop(running);
    let mount = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let run = |word: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", mount]);
        command.arg(world.path("lock")).args([PROGRAM, "-f"]);
        command.arg(world.file()).arg(word).output().unwrap()
    };
    let shown = run("-s");
    let said = text(&shown.stdout) + &text(&shown.stderr);
    assert!(shown.status.success(), "{said}");
    let entry = said.lines().last().unwrap();
    assert!(entry.starts_with("pass: 100.64.2.10-acme.test "), "{said}");
    let refused = run("-k");
    let why = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{why}");
    assert!(why.contains("Read-only file system"), "{why}");
    assert_eq!(world.cached(&[]), [entry]);
}
