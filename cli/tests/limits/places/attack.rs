//! Another user of the machine connects to a socket that is open to all, to keep Postfix out.

use std::{
    fs::{self, Permissions},
    net::IpAddr,
    os::unix::fs::PermissionsExt,
};

use policy_testing::{
    World, eventually,
    process::{Client, Daemon, as_user, is_root, lines, request},
    stub::{Script, Stub},
};

use super::{NOBODY, POSTFIX, open_to_all, served, service};

#[test]
fn a_user_that_takes_all_places_of_an_open_socket_does_not_keep_postfix_out() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let daemon = open_to_all(&world, &["--max-clients", "20", "--workers", "1"]);
    let attack = || (0..20).map(|_| daemon.connect()).collect::<Vec<_>>();
    let mut held = as_user(NOBODY, attack);
    for _ in 0..5 {
        // Postfix comes with several connections, and keeps them.
        let mut postfix: Vec<Client> = (0..10)
            .map(|_| as_user(POSTFIX, || daemon.connect()))
            .collect();
        for client in &mut postfix {
            assert_eq!(client.ask_about("x"), "dunno");
        }
        held.extend(as_user(NOBODY, attack));
    }
    let log = daemon.stop().out;
    let told = format!("closing the connection of user {NOBODY}, idle for ");
    assert!(!lines(&log, &told).is_empty(), "{log}");
}

#[test]
fn a_user_that_has_most_of_the_places_drives_nobody_else_out() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let daemon = open_to_all(&world, &["--max-clients", "20"]);
    let connect = |_| as_user(POSTFIX, || daemon.connect());
    let mut postfix: Vec<Client> = (0..8).map(connect).collect();
    for client in &mut postfix {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    let attack = || {
        let mut held: Vec<Client> = (0..200).map(|_| daemon.connect()).collect();
        // The last one has had its turn.
        let last = &mut held[199..];
        served(last)
    };
    as_user(NOBODY, attack);
    for client in &mut postfix {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    let log = daemon.stop().out;
    let told = format!("closing the connection of user {POSTFIX}");
    assert_eq!(lines(&log, &told), [""; 0]);
}

#[test]
fn requests_that_are_begun_in_all_places_and_not_ended_keep_nobody_out() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let args = ["--max-clients", "20", "--workers", "1"];
    let daemon = open_to_all(&world, &args);
    let begins = |before: bool| {
        let mut client = daemon.connect();
        // A part of a request comes alone, or behind another one.
        let whole = if before { request(&[]) } else { Vec::new() };
        client.try_send(&[&whole, &b"request=smtpd_access_policy\n"[..]].concat());
        before.then(|| client.reply());
        client
    };
    for before in [true, false, true] {
        let attack = || (0..40).map(|_| begins(before)).collect::<Vec<_>>();
        let _held = as_user(NOBODY, attack);
        // Each asks as soon as it is connected: one that is idle leaves first.
        let mut postfix: Vec<Client> = Vec::new();
        for _ in 0..5 {
            let mut client = as_user(POSTFIX, || daemon.connect());
            assert_eq!(client.ask_about("x"), "dunno");
            postfix.push(client);
        }
    }
    let log = daemon.stop().out;
    let told =
        format!("closing the connection of user {NOBODY}, whose request has been incomplete for ");
    assert!((1..=4).contains(&lines(&log, &told).len()), "{log}");
}

#[test]
fn requests_that_are_begun_from_all_of_loopback_keep_nobody_out() {
    let world = World::new();
    let args = ["--max-clients", "20", "--max-clients-per-address", "2"];
    let service = service(&world.stub);
    let args = [&["-s", &service], &args[..]].concat();
    let daemon = Daemon::start(&["inet:127.0.0.1:0", &world.unix()], &args);
    let mut postfix: Vec<Client> = (0..5)
        .map(|_| Client::connect(&daemon.endpoints[1]))
        .collect();
    for client in &mut postfix {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    let begins = |number: u8| {
        let source = IpAddr::from([127, 0, number, 1]);
        let client = Client::connect_from(source, daemon.endpoint());
        client.send(b"r");
        client
    };
    let held: Vec<Client> = (0..60).map(begins).collect();
    let ended = || held.iter().filter(|client| client.is_readable()).count() == 45;
    assert!(eventually(ended));
    // Over TCP the newest has a place, over a UNIX socket the open ones have not lost theirs.
    assert_eq!(Client::connect(daemon.endpoint()).ask_about("x"), "dunno");
    for client in &mut postfix {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    drop(held);
    daemon.stop();
}

#[test]
fn a_user_with_requests_under_way_in_all_places_is_held_off_by_a_limit_for_users() {
    if !is_root() {
        return;
    }
    for (limits, places) in [(&[][..], 20), (&["--max-clients-per-user", "10"], 10)] {
        let stub = Stub::tcp(Script::default().held());
        let world = World::new();
        fs::set_permissions(world.dir.path(), Permissions::from_mode(0o755)).unwrap();
        let args = ["-s", &service(&stub), "--max-clients", "20"];
        let listen = format!("{},mode=0666", world.unix());
        let daemon = Daemon::start(&[&listen], &[&args, limits].concat());
        let asks = |_| {
            let client = daemon.connect();
            client.try_send(&request(&[]));
            client
        };
        let attack = || (0..20).map(asks).collect::<Vec<_>>();
        let held = as_user(NOBODY, attack);
        assert!(stub.wait_requests(places));
        let mut postfix = as_user(POSTFIX, || daemon.connect());
        postfix.try_send(&request(&[]));
        if places < 20 {
            assert!(stub.wait_requests(places + 1));
            stub.release();
            assert_eq!(postfix.action(), "dunno");
        } else {
            assert!(postfix.is_ended());
            stub.release();
        }
        drop(held);
        daemon.stop();
    }
}
