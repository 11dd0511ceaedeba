//! `--control`, and `hapolicy ctl` that asks over it.

use std::{
    io::Write,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::PathBuf,
};

use policy_testing::{
    eventually,
    process::{Daemon, Ended, Gate, Signal, as_user, hapolicy, is_root, request, run},
    stub::{Script, Stub},
};
use serde_json::Value;
use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::TempDir;

use crate::service;

#[test]
fn services_are_drained_disabled_enabled_and_weighed() {
    let stubs = ["one", "two"].map(|name| Stub::tcp(Script::answer(&format!("WARN {name}"))));
    let daemon = Controlled::start(&[
        "-s",
        &service("one", &stubs[0], ""),
        "-s",
        &service("two", &stubs[1], ":20"),
    ]);
    let mut client = daemon.daemon.connect();
    assert_eq!(client.ask_about("m1"), "WARN one");

    let drained = "'one' gets no new messages, and those of messages that it has begun\n";
    assert_eq!(daemon.ctl(&["drain", "one"]), done(drained));
    assert_eq!(client.ask_about("m2"), "WARN two");
    assert_eq!(daemon.service(0)["mode"], "drain");

    let disabled = "'two' gets no requests; every service is disabled or drained: new messages get the default action\n";
    assert_eq!(daemon.ctl(&["disable", "two"]), done(disabled));
    assert_eq!(client.ask_about("m3"), "dunno");

    assert_eq!(
        daemon.ctl(&["enable", "one"]),
        done("'one' gets requests again\n")
    );
    assert_eq!(client.ask_about("m4"), "WARN one");
    let again = "'one' gets requests again (as before)\n";
    assert_eq!(daemon.ctl(&["enable", "one"]), done(again));

    assert_eq!(
        daemon.ctl(&["weight", "one", "7"]),
        done("'one' has weight 7, it had 1\n")
    );
    assert_eq!(daemon.service(0)["weight"], 7);

    // The log has each change, and who has asked for it.
    for line in [
        "control: 'one' gets no new messages, and those of messages that it has begun, as ",
        "control: 'one' gets requests again, as ",
        "control: 'one' has weight 7, it had 1, as ",
    ] {
        assert!(daemon.daemon.process.out.wait_lines(1, line), "{line}");
    }
    let user = format!("uid {}", rustix::process::geteuid().as_raw());
    assert!(
        daemon
            .daemon
            .process
            .out
            .lines("control: ")
            .iter()
            .all(|line| line.contains(&user))
    );
    daemon.daemon.stop();
}

#[test]
fn a_command_that_cannot_be_done_says_why_and_changes_nothing() {
    let daemon = Controlled::start(&["-s", "one=127.0.0.1:1"]);
    let before = daemon.service(0);
    for (words, code, text) in [
        (&["drain", "x"][..], 1, "no service 'x': there are one"),
        (&["weight", "one", "0"], 64, "0 is not in 1..=1000"),
        (&["weight", "one", "1001"], 64, "1001 is not in 1..=1000"),
        (
            &["weight", "one", "many"],
            64,
            "invalid value 'many' for '<WEIGHT>'",
        ),
        (&["drian", "one"], 64, "did you mean drain?"),
        (
            &["drain"],
            64,
            "the following required arguments were not provided",
        ),
    ] {
        let ended = daemon.ctl(words);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(
            ended.err.starts_with("hapolicy ctl: ") && ended.err.contains(text),
            "{ended:?}"
        );
        assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
    }
    let after = daemon.service(0);
    for of in ["mode", "weight"] {
        assert_eq!(before[of], after[of]);
    }
    assert_eq!(daemon.daemon.process.out.lines("control: "), [""; 0]);
    daemon.daemon.stop();
}

#[test]
fn the_status_is_a_table_for_people_and_json_for_programs() {
    let stub = Stub::tcp(Script::answer("dunno"));
    let daemon = Controlled::start(&[
        "-s",
        "dead=127.0.0.1:1:1",
        "-s",
        &service("good", &stub, ""),
    ]);
    let mut client = daemon.daemon.connect();
    for _ in 0..3 {
        client.ask_about("x");
    }
    let table = daemon.ctl(&["status"]).out;
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[0].starts_with(concat!(
            "hapolicy ",
            env!("CARGO_PKG_VERSION"),
            ", running for "
        )),
        "{table}"
    );
    assert_eq!(
        lines[1],
        "requests: 3, default actions: 0, log lines lost: 0"
    );
    let row = |at: usize| lines[at].split_whitespace().collect::<Vec<_>>();
    assert_eq!(row(3)[..3], ["SERVICE", "STATE", "FOR"]);
    let dead = row(4);
    assert_eq!(
        (dead[0], dead[1], dead[3], dead[6]),
        ("dead", "down", "enabled", "1"),
        "{table}"
    );
    assert!(lines[4].ends_with("Connection refused"), "{table}");
    let good = row(5);
    assert_eq!((good[0], good[1], good[5]), ("good", "up", "3"), "{table}");

    let status = daemon.json();
    for (of, value) in [
        ("name", "hapolicy".into()),
        ("workers", 1.into()),
        ("clients", 1.into()),
        ("requests", 3.into()),
        ("default_actions", 0.into()),
        ("log_lines_lost", Value::from(0)),
    ] {
        assert_eq!(status[of], value, "{of}");
    }
    let good = &status["services"][1];
    assert_eq!(good["latency"]["count"], 3, "{good}");
    assert_eq!(good["answered"], 3);
    assert_eq!(status["services"][0]["why"], "Connection refused");

    let top = daemon.ctl(&["top", "--count", "1"]);
    assert!(top.out.starts_with("requests/s "), "{top:?}");
    assert_eq!(top.out.lines().count(), 5, "{top:?}");
    daemon.daemon.stop();
}

#[test]
fn a_service_that_is_back_is_found_up_at_once() {
    let stub = Stub::tcp(Script::answer("dunno"));
    stub.stop();
    let directory = TempDir::new().unwrap();
    let probe = directory.path().join("probe");
    std::fs::write(&probe, "request=smtpd_access_policy\nprotocol_state=RCPT\n").unwrap();
    let probe = probe.to_str().unwrap();
    // It is looked at so seldom that nothing but the command finds it.
    for (options, told, state) in [
        (
            &["--health-check", "60m", "--probe", probe][..],
            "'one' answers: it is up\n",
            "up",
        ),
        (
            &[],
            "'one' takes connections: the next request tries it\n",
            "down",
        ),
    ] {
        let one = service("one", &stub, "");
        let daemon = Controlled::start(&[&["-s", &one][..], options].concat());
        let mut client = daemon.daemon.connect();
        assert_eq!(client.ask_about("x"), "dunno");
        let down = "'one' is still down: Connection refused (os error 111)\n";
        assert_eq!(daemon.ctl(&["try", "one"]), done(down));
        stub.restart();
        assert_eq!(daemon.ctl(&["try", "one"]), done(told));
        assert_eq!(daemon.service(0)["state"], state);
        assert_eq!(client.ask_about("y"), "dunno");
        assert_eq!(daemon.service(0)["state"], "up");
        assert_eq!(daemon.ctl(&["try", "one"]), done("'one' is up\n"));
        stub.stop();
        daemon.daemon.stop();
    }
}

#[test]
fn only_root_and_the_user_of_the_daemon_may_command() {
    let daemon = Controlled::start(&["-s", "one=127.0.0.1:1"]);
    let mode = std::fs::metadata(daemon.path())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    if is_root() {
        // Even where the file lets it connect.
        let permissions = PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(daemon.path(), permissions).unwrap();
        std::fs::set_permissions(daemon.directory.path(), PermissionsExt::from_mode(0o755))
            .unwrap();
        let path = daemon.path();
        let answer = as_user(12_345, || {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(b"status\n\n").unwrap();
            std::io::read_to_string(stream).unwrap()
        });
        assert_eq!(
            answer,
            "failed\nonly root and the daemon's user may command"
        );
        let told =
            "warning: --control refuses user 12345: only root and the daemon's user may command";
        assert!(daemon.daemon.process.out.wait_lines(1, told));
    }
    daemon.daemon.stop();
}

#[test]
fn without_a_daemon_the_client_says_what_to_do() {
    let ended = run(
        hapolicy(),
        &["ctl", "--socket", "/nonexistent/control", "status"],
    );
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert_eq!(
        ended.err,
        "hapolicy ctl: /nonexistent/control: No such file or directory (os error 2); no daemon has it: start \
         hapolicy with --control, and give its path with --socket\n"
    );
}

#[test]
fn what_is_no_command_costs_the_others_nothing() {
    let daemon = Controlled::start(&["-s", "one=127.0.0.1:1"]);
    let idle: Vec<_> = (0..8)
        .map(|_| UnixStream::connect(daemon.path()).unwrap())
        .collect();
    // A ninth takes the place of the first one.
    assert_eq!(daemon.ctl(&["status"]).code, Some(0));
    let told = "warning: closing the oldest connection to --control: 8 are open";
    assert!(daemon.daemon.process.out.wait_lines(1, told));
    assert_eq!(daemon.daemon.connect().ask_about("x"), "dunno");
    drop(idle);
    daemon.daemon.stop();
}

#[test]
fn a_daemon_that_ends_says_so_until_its_last_request_is_answered() {
    let gate = Gate::new();
    let daemon = Controlled::start(&["-s", &format!("gate={}:::60", gate.address)]);
    let client = daemon.daemon.connect();
    client.send(&request(&[("sender", "late")]));
    assert!(gate.wait_arrived(1));
    assert_eq!(daemon.json()["state"], "serving");
    daemon.daemon.process.signal(Signal::TERM);
    assert!(daemon.daemon.process.out.wait_lines(1, "stopping"));
    assert!(eventually(|| daemon.json()["state"] == "stopping"));
    let table = daemon.ctl(&["status"]).out;
    let head = concat!(
        "hapolicy ",
        env!("CARGO_PKG_VERSION"),
        ", stopping, running for "
    );
    assert!(table.starts_with(head), "{table}");
    gate.release("late");
    daemon.daemon.ended_well();
}

#[test]
fn the_next_daemon_takes_the_commands_over() {
    let directory = TempDir::new().unwrap();
    let handover = format!("unix:{}", directory.path().join("handover").display());
    let options = ["--handover", &handover, "-s", "one=127.0.0.1:1"];
    let old = Controlled::start_in(directory, &options);
    old.ctl(&["disable", "one"]);
    let control = format!("unix:{}", old.path().display());
    let next = Daemon::start(
        &["inet:127.0.0.1:0"],
        &[&["--control", &control][..], &options].concat(),
    );
    old.daemon.ended_well();
    let status = run(
        hapolicy(),
        &["ctl", "--socket", &control[5..], "status", "--json"],
    );
    let status: Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(
        status["services"][0]["mode"], "enabled",
        "its own options hold"
    );
    next.stop();
}

#[test]
fn a_service_whose_queue_is_full_is_said_to_be_so_and_holds_up_no_command() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("full");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    let address = SockAddr::unix(&path).unwrap();
    listener.bind(&address).unwrap();
    listener.listen(0).unwrap();
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.connect(&address).map(|()| socket)
    };
    let _queue: Vec<_> = std::iter::from_fn(|| connect().ok()).collect();
    let service = format!("full=unix:{}:10:1:1", path.display());
    let daemon = Controlled::start(&["--deadline", "2s", "-s", &service]);
    // A service is not blamed for a time in which the daemon stood still: then the next request tells.
    let is_down = eventually(|| {
        assert_eq!(daemon.daemon.connect().ask_about("x"), "dunno");
        !daemon.daemon.process.out.lines(" is down: ").is_empty()
    });
    assert!(is_down, "{}", daemon.daemon.process.out.text());
    let down = "'full' is still down: its queue of connections is full\n";
    assert!(eventually(|| daemon.ctl(&["try", "full"]) == done(down)));
    daemon.daemon.stop();
}

/// A daemon with a control socket.
pub(crate) struct Controlled {
    pub(crate) daemon: Daemon,
    directory: TempDir,
}

impl Controlled {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_in(TempDir::new().unwrap(), args)
    }

    fn start_in(directory: TempDir, args: &[&str]) -> Self {
        let control = format!("unix:{}", directory.path().join("control").display());
        let daemon = Daemon::tcp(&[&["--control", &control][..], args].concat());
        Self { daemon, directory }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("control")
    }

    pub(crate) fn ctl(&self, words: &[&str]) -> Ended {
        let path = self.path();
        let socket = ["ctl", "--socket", path.to_str().unwrap()];
        run(hapolicy(), &[&socket[..], words].concat())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.ctl(&["status", "--json"]).out).unwrap()
    }

    fn service(&self, index: usize) -> Value {
        self.json()["services"][index].clone()
    }
}

fn done(out: &str) -> Ended {
    Ended {
        code: Some(0),
        out: out.to_owned(),
        err: String::new(),
    }
}
