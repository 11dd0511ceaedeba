//! `policy-client tap`: what goes through it, what it shows and what it records.

use policy_testing::{
    process::{Client, Ended, Process, Signal, lines, policy_client, request, run},
    stub::{Script, Stub},
};
use tempfile::TempDir;

use crate::{FULL, onto_a_full_disk};

mod forward;
mod record;
mod shown;
mod unanswered;

#[test]
fn wrong_command_lines_are_refused() {
    for args in [
        &["nonsense", "127.0.0.1:1"][..],
        &["inet:127.0.0.1:0", "nonsense"],
        &["inet:127.0.0.1:0"],
        &["inet:127.0.0.1:0", "127.0.0.1:1", "--max-connections", "0"],
        &["inet:127.0.0.1:0", "127.0.0.1:1", "--key-file", "/dev/null"],
        &["inet:127.0.0.1:0", "127.0.0.1:1", "-q", "-v"],
    ] {
        let ended = run(policy_client(), &[&["tap"], args].concat());
        assert_eq!(
            (ended.code, &*ended.out),
            (Some(64), ""),
            "{args:?}: {ended:?}"
        );
    }
    let args = [
        "tap",
        "inet:127.0.0.1:0",
        "127.0.0.1:1",
        "--anonymise",
        "--key-file",
        "/dev/null",
    ];
    let ended = run(policy_client(), &args);
    let said = "policy-client: /dev/null: a key has at least 16 bytes, this file has 0: make one with `head -c 32 /dev/urandom`\n";
    assert_eq!((ended.code, &*ended.err), (Some(65), said));
}

#[test]
fn output_that_cannot_be_written_is_told_and_forwarding_goes_on() {
    let stub = Stub::tcp(Script::answer("OK"));
    let dir = TempDir::new().unwrap();
    let listen = format!("unix:{}", dir.path().join("tap").display());
    let process = onto_a_full_disk(&["tap", &listen, &stub.address()]);
    assert!(process.err.wait_lines(1, FULL));
    for sender in ["a@x", "b@x"] {
        let answer = Client::connect(&listen).ask(&request(&[("sender", sender)]));
        assert_eq!(answer, "OK");
    }
    process.signal(Signal::INT);
    let ended = process.end();
    assert_eq!(ended.code, Some(74), "{ended:?}");
    assert_eq!(lines(&ended.err, FULL).len(), 1, "{ended:?}");
}

/// `policy-client tap`.
pub(crate) struct Tap {
    pub(crate) process: Process,
    pub(crate) endpoint: String,
}

impl Tap {
    pub(crate) fn start(upstream: &str, args: &[&str]) -> Self {
        let args = [&["tap", "inet:127.0.0.1:0", upstream], args].concat();
        let process = Process::start(policy_client(), &args);
        assert!(
            process.out.wait_lines(1, "listening on "),
            "{:?}",
            process.err.text()
        );
        let said = process.out.text();
        let first = said.lines().next();
        let endpoint = first.and_then(|line| line.strip_prefix("listening on "));
        Self {
            endpoint: endpoint.expect("its first line").to_owned(),
            process,
        }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.endpoint)
    }

    pub(crate) fn stop(self) -> Ended {
        self.process.signal(Signal::INT);
        let ended = self.process.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended
    }
}
