//! `$CONTROL` and `--control`, and `policyd-weight ctl` that asks over it.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    process::{Command, Output},
};

use policy_testing::{process::as_user, within};
use serde_json::Value;

use super::{
    PATIENCE,
    world::{PROGRAM, Running, World, bad, good, text},
};

/// With `-d` the addresses stand there as well.
const GOOD_WITH_D: &str = "action=PREPEND X-policyd-weight:  NOT_IN_BL=-1.5 CL_IP_EQ_FROM_MX=-3.1 \
                    <helo_ips:  mail.acme.test 100.64.2.10>; rate: -4.6";

/// A daemon with a control socket, and its log.
pub(super) struct Controlled {
    pub(super) world: World,
    _running: Running,
}

impl Controlled {
    /// With `-d` its log is on standard output, and its port is the one behind that of the file.
    pub(super) fn start() -> Self {
        let world = World::new("");
        world.configure(&options(&world));
        let log = fs::File::create(world.path("log")).unwrap();
        let child = world.command(&["-d", "start"]).stdout(log).spawn().unwrap();
        let daemon = Self {
            _running: Running(child),
            world,
        };
        daemon.wait_for_line("commands at unix:");
        daemon
    }

    fn ctl(&self, words: &[&str]) -> Output {
        let socket = format!("--socket={}", self.world.path("control").display());
        let mut command = Command::new(PROGRAM);
        command.args(["ctl", &socket]).args(words).output().unwrap()
    }

    /// The exit status, standard output and standard error.
    fn said(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let output = self.ctl(words);
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_slice(&self.ctl(&[words, &["--json"]].concat()).stdout).unwrap()
    }

    pub(super) fn wait_for_line(&self, part: &str) {
        let mut log = String::new();
        let came = within(PATIENCE, || {
            log = fs::read_to_string(self.world.path("log")).unwrap();
            log.contains(part)
        });
        assert!(came, "{part}: {log}");
    }
}

fn options(world: &World) -> String {
    let control = world.path("control");
    format!(
        "$TCP_PORT = {}; $CONTROL = 'unix:{}';",
        world.port() - 1,
        control.display()
    )
}

#[test]
fn the_status_and_the_lists_show_what_was_asked_and_answered() {
    let daemon = Controlled::start();
    let world = &daemon.world;
    assert_eq!(world.ask(&good("1")), GOOD_WITH_D);
    assert!(world.ask(&bad("2")).starts_with("action=550 "));
    let status = daemon.json(&["status"]);
    for (of, value) in [
        ("name", Value::from("policyd-weight")),
        ("state", "serving".into()),
        ("requests", 2.into()),
    ] {
        assert_eq!(status[of], value, "{of}: {status}");
    }
    let by_score = status["decided_by"].as_array().unwrap();
    let by_score = by_score.iter().find(|of| of["by"] == "score").unwrap();
    assert_eq!(by_score["requests"], 2, "{status}");
    assert_eq!(status["caches"][0]["clients"], 1, "{status}");
    let list = &daemon.json(&["lists"])[0];
    for (of, value) in [
        ("dns_list", Value::from("bl.test")),
        ("state", "good".into()),
        ("asked", 2.into()),
        ("listed", 1.into()),
        ("not_listed", 1.into()),
        ("errors", 0.into()),
        ("test", "passed".into()),
    ] {
        assert_eq!(list[of], value, "{of}: {list}");
    }
    assert!(list["tested_seconds"].is_number(), "{list}");
    assert_eq!(list["uses"], "BL", "{list}");
    let (code, table, _) = daemon.said(&["status"]);
    let head = concat!(
        "policyd-weight ",
        env!("CARGO_PKG_VERSION"),
        ", running for "
    );
    assert!(code == Some(0) && table.starts_with(head), "{table}");
    for line in ["Answers", "Decided by", "DNS lists", "Caches"] {
        assert!(table.lines().any(|found| found == line), "{line}: {table}");
    }
}

#[test]
fn a_client_is_shown_and_forgotten() {
    let daemon = Controlled::start();
    let world = &daemon.world;
    assert_eq!(world.ask(&good("1")), GOOD_WITH_D);
    assert!(world.ask(&bad("2")).starts_with("action=550 "));
    let (code, shown, _) = daemon.said(&["cache", "show"]);
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!((code, lines.len()), (Some(0), 2), "{shown}");
    assert!(lines[0].starts_with("blocked: 100.70.1.1 "), "{shown}");
    let (_, shown, _) = daemon.said(&["cache", "show", "100.64.2.10"]);
    assert!(
        shown.starts_with("pass: 100.64.2.10-acme.test -4.6 ") && shown.lines().count() == 1,
        "{shown}"
    );

    let forgotten = daemon.said(&["cache", "forget", "100.70.1.1"]);
    let done = "entries of 100.70.1.1 that are forgotten: 1\n";
    assert_eq!(forgotten, (Some(0), done.to_owned(), String::new()));
    daemon.wait_for_line(
        "control: entries of 100.70.1.1 that are forgotten: 1, as root (uid 0) has asked",
    );
    // It is scored again, and the other one is known still.
    assert!(!world.ask(&bad("3")).contains("[cached]"));
    assert!(world.ask(&good("4")).contains("using cached result"));
    // What a process of spawn(8) has learnt is the host's as well.
    let spawned = world.feed(&["-d"], &bad("5"));
    assert!(
        text(&spawned.stdout).contains("\naction=550 Mail appeared"),
        "{spawned:?}"
    );
    assert_eq!(daemon.said(&["cache", "forget", "100.70.1.1"]).0, Some(0));
    let spawned = world.feed(&["-d"], &bad("6"));
    assert!(!text(&spawned.stdout).contains("[cached]"), "{spawned:?}");
    let again = daemon.said(&["cache", "forget", "192.0.2.1"]);
    let none = "policyd-weight ctl: nothing is known of 192.0.2.1\n";
    assert_eq!(again, (Some(1), String::new(), none.to_owned()));
}

#[test]
fn a_reload_says_what_is_wrong_and_changes_nothing_then() {
    let daemon = Controlled::start();
    let world = &daemon.world;
    let before = options(world);
    world.configure(&format!("{before} $REJECTLEVEL = ;"));
    let (code, _, said) = daemon.said(&["reload"]);
    assert!(
        code == Some(1) && said.contains("policyd-weight.conf:") && said.contains("error: "),
        "{said}"
    );
    assert_eq!(world.ask(&good("1")), GOOD_WITH_D);
    world.configure(&format!("{before} $POSCACHEMSG = 'known client';"));
    let done = daemon.said(&["reload"]);
    assert_eq!(
        done,
        (
            Some(0),
            "the configuration is reloaded\n".to_owned(),
            String::new()
        )
    );
    daemon.wait_for_line("control: the configuration is reloaded, as root (uid 0) has asked");
    assert!(world.ask(&good("2")).contains("known client"));
}

/// What cannot change while the daemon runs is said, and the old value holds.
#[test]
fn a_reload_says_what_needs_a_restart() {
    let daemon = Controlled::start();
    let world = &daemon.world;
    let port = "$TCP_PORT = 1;";
    let store = "$CACHE_STORE = 'redis://:secret@127.0.0.1:1';";
    world.configure(&format!(
        "{} {port} $USER = 'daemon'; $ADMIN = 'inet:127.0.0.1:2'; {store}",
        options(world)
    ));
    let names = ["TCP_PORT", "USER", "ADMIN", "CACHE_STORE"];
    let line =
        |name| format!("${name} has changed, which needs a restart: that of the start holds on");
    let (code, said, _) = daemon.said(&["reload"]);
    assert_eq!(code, Some(0));
    for name in names {
        assert!(said.contains(&line(name)), "{name}: {said}");
        daemon.wait_for_line(&format!("warning: {}", line(name)));
    }
    assert_eq!(said.lines().count(), names.len() + 1, "{said}");
    let log = fs::read_to_string(world.path("log")).unwrap();
    assert!(!said.contains("secret") && !log.contains("secret"), "{log}");
    assert_eq!(world.ask(&good("1")), GOOD_WITH_D, "at the same port");
    world.configure(&options(world));
    let (_, said, _) = daemon.said(&["reload"]);
    assert_eq!(said, "the configuration is reloaded\n");
}

#[test]
fn only_root_and_the_user_of_the_daemon_may_command() {
    let daemon = Controlled::start();
    let path = daemon.world.path("control");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Even where the file lets it connect.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let answer = as_user(12_345, || {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(b"cache\nforget\n192.0.2.1\n\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    assert_eq!(
        answer,
        "failed\nonly root and the daemon's user may command"
    );
    daemon
        .wait_for_line("--control refuses user 12345: only root and the daemon's user may command");
}

#[test]
fn a_command_that_is_none_says_which_there_are() {
    let daemon = Controlled::start();
    for (words, said) in [
        (
            &["drain", "x"][..],
            "unknown command 'drain': there are status, lists, cache, reload, trace",
        ),
        (
            &["cache", "forget"],
            "use cache show [ADDRESS], or cache forget ADDRESS",
        ),
        (
            &[],
            "a command is missing: there are status, lists, cache, reload, trace",
        ),
    ] {
        let expected = (
            Some(64),
            String::new(),
            format!("policyd-weight ctl: {said}\n"),
        );
        assert_eq!(daemon.said(words), expected);
    }
    let (code, help, _) = daemon.said(&["--help"]);
    assert!(code == Some(0) && help.contains("cache forget"), "{help}");
}

#[test]
fn addresses_that_do_not_work_are_named_by_the_check() {
    for (more, fault) in [
        ("$ADMIN = 'inet:127.0.0.1:1 9107';", "$ADMIN: '9107': "),
        (
            "$ADMIN = 'inet:0.0.0.0:9107';",
            "$ADMIN: 'inet:0.0.0.0:9107': other machines can connect there",
        ),
        (
            "$CONTROL = '/run/x';",
            "$CONTROL is no unix:/PATH: '/run/x'",
        ),
        (
            "$TCP_PORT = 99999;",
            "$TCP_PORT is '99999': port '99999' is not 1 to 65535",
        ),
        (
            "$TCP_PORT = 9107; $BIND_ADDRESS = 'all'; $ADMIN = 'inet:127.0.0.1:9107';",
            "$ADMIN: cannot listen at 'inet:127.0.0.1:9107' as well: $TCP_PORT has 'inet:0.0.0.0:9107' already",
        ),
        (
            "$ADMIN = 'unix:/run/a'; $CONTROL = 'unix:/run/a';",
            "$CONTROL: cannot listen at 'unix:/run/a' as well: $ADMIN has 'unix:/run/a' already",
        ),
    ] {
        let world = World::new(more);
        for words in [&["--check-config"][..], &["-D", "start"]] {
            let output = world.run(words);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(78), "{more}: {said}");
            assert!(
                said.contains(&format!(": error: {fault}")),
                "{more}: {said}"
            );
        }
    }
    let world = World::new("$ADMIN = 'inet:127.0.0.1:1 unix:/run/a'; $CONTROL = 'unix:/run/x';");
    assert!(world.run(&["--check-config"]).status.success());
}
