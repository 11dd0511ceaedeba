//! `--check DURATION` and `--probe`: services that come back without a request that waits for them.

use std::{fs, path::PathBuf};

use policy_testing::{
    eventually,
    process::{self, Daemon, hapolicy, run},
    stub::{Reply, Script, Stub},
};
use tempfile::TempDir;

const PROBE: &str = "request=smtpd_access_policy\nsender=probe@example.com\n";

#[test]
fn a_service_that_was_refused_is_up_again_without_a_request() {
    for check in [&["--check", "50ms"][..], &["--check=50ms"]] {
        let stub = Stub::tcp(Script::answer("a"));
        let service = format!("a={}", stub.address());
        let daemon = Daemon::tcp(&[&["-s", &service], check].concat());
        stub.stop();
        let mut client = daemon.connect();
        assert_eq!(client.ask_about("x"), "dunno");
        stub.restart();
        assert!(daemon.process.out.wait_lines(1, "is up again after"));
        assert_eq!(stub.requests().len(), 0, "it was connected to, no more");

        // The system has taken the connection for it, perhaps a moment ago.
        assert!(eventually(|| stub.connections() == 1));
        assert_eq!(client.ask_about("y"), "a");
        assert_eq!(stub.connections(), 1, "the connection was kept");
        let log = daemon.stop().out;
        assert_eq!(process::lines(&log, "is down").len(), 1, "{log}");
    }
}

#[test]
fn a_service_that_hung_up_is_up_again_when_it_answers_a_probe() {
    let world = World::new(PROBE);
    let stub = Stub::tcp(Script::reply(Reply::CloseUnanswered));
    let service = format!("a={}", stub.address());
    let daemon = Daemon::tcp(&world.args(&service, &["--probe-action", "OK"]));
    let mut client = daemon.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    stub.set(Script::answer("DEFER not yet"));
    let warned = "[LOG warning]: warning: Probe of 'a' -> 'DEFER not yet'";
    assert!(daemon.process.out.wait_lines(1, warned));
    assert_eq!(daemon.process.out.lines("is up"), [""; 0]);
    stub.set(Script::answer("ok"));
    assert!(daemon.process.out.wait_lines(1, "is up again after"));
    let probe = format!("{PROBE}\n").into_bytes();
    assert!(stub.requests()[1..].iter().all(|request| *request == probe));
    assert_eq!(client.ask_about("x"), "ok");
    let log = daemon.stop().out;
    assert_eq!(process::lines(&log, warned).len(), 1, "{log}");
}

#[test]
fn a_probe_that_is_answered_with_what_is_not_allowed_brings_nothing_back() {
    let world = World::new(PROBE);
    let stub = Stub::tcp(Script::reply(Reply::CloseUnanswered));
    let service = format!("a={}", stub.address());
    let daemon = Daemon::tcp(&world.args(&service, &["--actions", "a=dunno"]));
    let mut client = daemon.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    stub.set(Script::answer("OK"));
    let warned =
        "[LOG warning]: warning: Invalid answer from 'a', which --actions does not allow -> 'OK'";
    assert!(daemon.process.out.wait_lines(1, warned));
    assert_eq!(daemon.process.out.lines("is up"), [""; 0]);
    stub.set(Script::answer("DUNNO"));
    assert!(daemon.process.out.wait_lines(1, "is up again after"));
    daemon.stop();
}

#[test]
fn without_an_interval_nothing_is_checked_and_the_services_are_printed() {
    let world = World::new(PROBE);
    let ended = run(hapolicy(), &["--check", "-s", "a=127.0.0.1:1"]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        process::lines(&ended.out, "--service=").len(),
        1,
        "{ended:?}"
    );
    // So a command line can be looked at that has an interval.
    let mut args = world.args("a=127.0.0.1:1", &["--listen", "inet:127.0.0.1:0"]);
    args.push("--check");
    let ended = run(hapolicy(), &args);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert_eq!(
        process::lines(&ended.out, "--service=").len(),
        1,
        "{ended:?}"
    );
}

#[test]
fn a_file_that_holds_no_request_ends_the_start_with_78_and_one_line() {
    for (text, named) in [
        ("", "no request"),
        ("sender=a\n", "smtpd_access_policy"),
        ("no attribute\n", "="),
        ("request=smtpd_access_policy\n\na=b\n\n", "more than one"),
    ] {
        let world = World::new(text);
        let mut args = world.args("a=127.0.0.1:1", &["--listen", "inet:127.0.0.1:0"]);
        for _ in 0..2 {
            let ended = run(hapolicy(), &args);
            assert_eq!(ended.code, Some(78), "{ended:?}");
            assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
            assert!(ended.err.contains(named), "{ended:?}");
            assert!(ended.err.contains("--probe /"), "{ended:?}");
            args.push("--check");
        }
    }
    let missing = ["--probe", "/nonexistent", "--check", "1s"];
    let daemon = ["--listen", "inet:127.0.0.1:0", "-s", "a=127.0.0.1:1"];
    let ended = run(hapolicy(), &[&daemon[..], &missing].concat());
    assert_eq!(ended.code, Some(78), "{ended:?}");
}

struct World {
    _directory: TempDir,
    probe: PathBuf,
}

impl World {
    fn new(probe: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("probe");
        fs::write(&path, probe).unwrap();
        Self {
            _directory: directory,
            probe: path,
        }
    }

    fn args<'a>(&'a self, service: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let probe = self.probe.to_str().unwrap();
        let args = ["-s", service, "--check", "50ms", "--probe", probe];
        [&args, more].concat()
    }
}
