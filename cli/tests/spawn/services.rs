//! Services: their connections, and the default action where there are none.

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, Stdio},
};

use policy_testing::{
    eventually,
    process::{self, Client, Process, hapolicy, request},
    stub::{Reply, Script, Stub},
};

use crate::{service, spawn};

#[test]
fn each_answer_closes_the_connection_to_its_service() {
    let stub = Stub::tcp(Script::default());
    let (near, far) = UnixStream::pair().unwrap();
    let process = spawn(&["-s", &service(&stub)], far);
    let mut client = Client::of(near);
    for asked in 1..=3 {
        assert_eq!(client.ask_about("x"), "dunno");
        assert!(
            eventually(|| stub.open() == 0),
            "closed while the client stays"
        );
        assert_eq!(stub.connections(), asked);
    }
    drop(client);
    assert_eq!(process.end().code, Some(0));
}

#[test]
fn requests_of_one_message_are_shared_unless_affinity_is_asked_for() {
    for (args, together) in [(&[][..], false), (&["--affinity", "message"], true)] {
        let (a, b) = (Stub::tcp(Script::default()), Stub::tcp(Script::default()));
        let services = process::services(&[a.address(), b.address()]);
        let mut all: Vec<&str> = services.iter().map(String::as_str).collect();
        all.extend(args);
        let (near, far) = UnixStream::pair().unwrap();
        let _process = spawn(&all, far);
        let mut client = Client::of(near);
        for _ in 0..10 {
            client.ask_about("x");
        }
        let asked = [a.requests().len(), b.requests().len()];
        assert_eq!(asked.contains(&10), together, "{asked:?}");
        assert_eq!(asked.contains(&5), !together, "{asked:?}");
    }
}

#[test]
fn services_without_a_valid_one_answer_the_default_action() {
    for args in [
        &["-d", "DEFER none"][..],
        &["-d", "DEFER none", "-s", "invalid"],
    ] {
        let (near, far) = UnixStream::pair().unwrap();
        let _process = spawn(args, far);
        assert_eq!(Client::of(near).ask_about("x"), "DEFER none");
    }
}

#[test]
fn the_default_action_is_passed_on_byte_by_byte() {
    use std::os::unix::ffi::OsStrExt;
    let (near, far) = UnixStream::pair().unwrap();
    let action = std::ffi::OsStr::from_bytes(b" =odd\xff ");
    let _process = Process::untouched(
        Command::new(hapolicy())
            .arg("-d")
            .arg(action)
            .stdin(OwnedFd::from(far.try_clone().unwrap()))
            .stdout(OwnedFd::from(far))
            .stderr(Stdio::null()),
    );
    let mut client = Client::of(near);
    client.send(&request(&[]));
    assert_eq!(
        client.reply().as_deref(),
        Some(&b"action= =odd\xff \n\n"[..])
    );
}

#[test]
fn the_deadline_bounds_what_hung_services_cost_together() {
    let stubs = [
        Stub::tcp(Script::reply(Reply::Hang)),
        Stub::tcp(Script::reply(Reply::Hang)),
    ];
    let services = process::services(&stubs.each_ref().map(Stub::address));
    let mut args: Vec<&str> = services.iter().map(String::as_str).collect();
    args.extend(["--deadline", "500ms", "-d", "DEFER in time"]);
    let (near, far) = UnixStream::pair().unwrap();
    let _process = spawn(&args, far);
    // 20 s are less than the 30 s of a service.
    assert_eq!(Client::of(near).ask_about("x"), "DEFER in time");
}
