//! The limits of each client: its address, the size of a request, and all times.

use std::{net::IpAddr, thread, time::Duration};

use policy_testing::{
    eventually,
    process::{self, Client, Daemon, hapolicy, request, run},
    stub::{Script, Stub},
};

use crate::service;

// Who

#[test]
fn a_listener_that_other_machines_can_reach_needs_to_be_told_whom_it_is_for() {
    let stub = Stub::tcp(Script::default());
    for listen in ["inet:0.0.0.0:0", "inet:[::]:0", "inet:[::ffff:0.0.0.0]:0"] {
        for check in [&[][..], &["--check"]] {
            let args = ["--listen", listen, "-s", &service(&stub)];
            let ended = run(hapolicy(), &[&args, check].concat());
            assert_eq!(ended.code, Some(78), "{listen}: {ended:?}");
            assert_eq!(ended.err.lines().count(), 1, "{listen}: {ended:?}");
            assert!(ended.err.contains("--allow"), "{listen}: {ended:?}");
        }
    }
}

#[test]
fn a_network_that_is_none_is_a_wrong_command_line() {
    let stub = Stub::tcp(Script::default());
    for allow in [
        "example.org",
        "192.0.2.1/24",
        "192.0.2.0/24,,::1",
        "10.0.0.0/33",
    ] {
        let args = [
            "--listen",
            "inet:0.0.0.0:0",
            "-s",
            &service(&stub),
            "--allow",
            allow,
        ];
        let ended = run(hapolicy(), &args);
        assert_eq!(ended.code, Some(64), "{allow}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{allow}: {ended:?}");
    }
}

#[test]
fn only_those_are_served_who_are_allowed() {
    let stub = Stub::tcp(Script::default());
    let args = ["-s", &service(&stub), "--allow", "127.0.0.2,127.0.1.0/24"];
    let mut listen = vec!["inet:0.0.0.0:0"];
    if std::net::TcpListener::bind("[::]:0").is_ok() {
        listen.push("inet:[::]:0");
    } else {
        println!("SKIPPED: no IPv6");
    }
    for listen in listen {
        let daemon = Daemon::start(&[listen], &args);
        let port = daemon.endpoint().rsplit(':').next().unwrap();
        let endpoint = format!("127.0.0.1:{port}");
        let from = |source: &str| Client::connect_from(ip(source), &endpoint);
        let mut served = [from("127.0.0.2"), from("127.0.1.255")];
        for _ in 0..20 {
            assert!(from("127.0.0.1").is_ended(), "{listen}");
        }
        for client in &mut served {
            assert_eq!(client.ask_about("x"), "dunno", "{listen}");
        }
        let log = daemon.stop().out;
        let told = process::lines(&log, "from 127.0.0.1: not in --allow");
        // The first, and at the end the last, with the count of those between them.
        assert_eq!(told.len(), 2, "{log}");
        assert!(told[1].ends_with(" (and 18 more like it before)"), "{log}");
    }
}

#[test]
fn a_listener_on_loopback_serves_loopback_beside_all_that_are_allowed() {
    let stub = Stub::tcp(Script::default());
    for args in [&[][..], &["--allow", "192.0.2.0/24"]] {
        let service = service(&stub);
        let args = [&["-s", &service], args].concat();
        for listen in ["inet:127.0.0.1:0", "inet:127.0.0.9:0", "inet:localhost:0"] {
            let daemon = Daemon::start(&[listen], &args);
            assert_eq!(daemon.connect().ask_about("x"), "dunno", "{listen}");
            daemon.stop();
        }
    }
}

// How large, and for how long

#[test]
fn a_request_beyond_the_size_that_was_granted_is_refused() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service(&stub), "--max-request", "4K"]);
    let mut honest = daemon.connect();
    let value = "x".repeat(3500);
    assert_eq!(honest.ask(&request(&[("sender", &value)])), "dunno");
    let mut client = daemon.connect();
    client.try_send(&request(&[("sender", &value), ("recipient", &value)]));
    assert!(client.is_ended(), "without a reply");
    assert_eq!(honest.ask_about("x"), "dunno");
    daemon.stop();
}

#[test]
fn a_client_that_does_not_finish_its_request_is_closed_and_one_that_began_none_is_not() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service(&stub), "--request-timeout", "500ms"]);
    let (mut honest, mut idle) = (daemon.connect(), daemon.connect());
    assert_eq!(idle.ask_about("x"), "dunno");
    let (mut silent, mut drips) = (daemon.connect(), daemon.connect());
    silent.send(b"request=smtpd_access_policy\n");
    let drip = drips.another();
    let dripping = thread::spawn(move || {
        while !drip.is_cut_off(b"x") {
            thread::sleep(Duration::from_millis(20));
        }
    });
    assert!(silent.is_ended() && drips.is_ended());
    dripping.join().unwrap();
    assert_eq!(honest.ask_about("x"), "dunno");
    assert_eq!(idle.ask_about("x"), "dunno", "it had begun nothing");
    let log = daemon.stop().out;
    let told = process::lines(&log, "request not finished in time");
    // One of two is held back until the end.
    assert_eq!(told.len(), 2, "{log}");
}

#[test]
fn a_client_that_is_idle_for_longer_than_was_granted_is_closed_without_a_word() {
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::tcp(&["-s", &service(&stub), "--idle", "500ms"]);
    let mut client = daemon.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    assert!(client.is_ended());
    assert!(daemon.connect().is_ended(), "also one that never asked");
    let log = daemon.stop().out;
    assert_eq!(process::lines(&log, "closing a connection"), [""; 0]);
}

#[test]
fn a_client_that_does_not_read_its_answers_is_closed_and_holds_nothing_back() {
    let long = "x".repeat(16_000);
    let stub = Stub::tcp(Script::answer(&long));
    let daemon = Daemon::tcp(&["-s", &service(&stub), "--request-timeout", "500ms"]);
    let greedy = daemon.connect();
    // Until its answers fill all buffers, and then its requests.
    let many = request(&[("instance", "x")]).repeat(100);
    assert!(eventually(|| greedy.is_cut_off(&many)));
    assert_eq!(daemon.connect().ask_about("x"), long);
    daemon.stop();
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
