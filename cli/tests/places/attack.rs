//! Another user of the machine connects to a socket that is open to all, to keep Postfix out.

use crate::{
    NOBODY, POSTFIX, open_to_all,
    process::{Client, as_user, is_root, lines, request},
    served,
    world::World,
};

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
fn a_user_that_begins_requests_in_all_places_is_held_off_by_a_limit_for_users() {
    if !is_root() {
        return;
    }
    for (limits, served) in [(&[][..], false), (&["--max-clients-per-user", "10"], true)] {
        let world = World::new();
        let args = ["--max-clients", "20", "--workers", "1"];
        let daemon = open_to_all(&world, &[&args, limits].concat());
        let attack = || {
            let begins = |_| {
                let mut client = daemon.connect();
                client.try_send(&request(&[]));
                let is_served = client.reply().is_some();
                client.try_send(b"request=smtpd_access_policy\n");
                is_served.then_some(client)
            };
            (0..20).filter_map(begins).collect::<Vec<_>>()
        };
        let held = as_user(NOBODY, attack);
        assert_eq!(held.len(), if served { 10 } else { 20 });
        let mut postfix = as_user(POSTFIX, || daemon.connect());
        postfix.try_send(&request(&[]));
        assert_eq!(postfix.reply().is_some(), served, "{limits:?}");
        drop(held);
        daemon.stop();
    }
}
