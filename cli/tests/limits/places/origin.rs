//! Limits of connections from one address, one network and one user.

use policy_testing::{
    World, eventually,
    process::{Client, Daemon, as_user, is_root, lines, request},
    stub::{Script, Stub},
};

use super::{NOBODY, POSTFIX, in_a_network, ip, open_to_all, service};

#[test]
fn loopback_is_nobodys_address_and_has_no_limit_of_its_own() {
    let world = World::new();
    let listen = ["inet:127.0.0.1:0", &world.unix()];
    let args = [
        "-s",
        &service(&world.stub),
        "--max-clients-per-address",
        "2",
    ];
    let daemon = Daemon::start(&listen, &args);
    let from = |source: &str| Client::connect_from(ip(source), daemon.endpoint());
    let mut clients: Vec<Client> = (0..5).map(|_| from("127.0.0.1")).collect();
    clients.push(from("127.0.0.2"));
    clients.extend((0..5).map(|_| Client::connect(&daemon.endpoints[1])));
    for client in &mut clients {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    let log = daemon.stop().out;
    assert_eq!(lines(&log, "closing a connection"), [""; 0], "{log}");
}

#[test]
fn all_addresses_of_an_ipv6_network_count_as_one() {
    if !is_root() {
        return;
    }
    in_a_network(
        &["2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"],
        || {
            let stub = Stub::tcp(Script::default());
            let args = ["--max-clients-per-address", "2", "--allow", "2001:db8::/32"];
            let service = service(&stub);
            let args = [&["-s", &service], &args[..]].concat();
            let daemon = Daemon::start(&["inet:[2001:db8::1]:0"], &args);
            let from = |source: &str| Client::connect_from(ip(source), daemon.endpoint());
            let mut clients = vec![from("2001:db8::1"), from("2001:db8::ffff:2")];
            for client in &mut clients {
                assert_eq!(client.ask_about("x"), "dunno");
            }
            assert!(from("2001:db8::ffff:2").is_ended());
            assert_eq!(from("2001:db8:0:1::1").ask_about("x"), "dunno");
            let log = daemon.stop().out;
            let told = "from 2001:db8::ffff:2: 2001:db8::/64 has 2 (--max-clients-per-address)";
            assert_eq!(lines(&log, told).len(), 1, "{log}");
        },
    );
}

#[test]
fn a_user_gets_no_more_connections_than_were_granted_to_it() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let daemon = open_to_all(&world, &["--max-clients-per-user", "2"]);
    let connect = || daemon.connect();
    let mut clients: Vec<Client> = (0..2).map(|_| as_user(POSTFIX, connect)).collect();
    for client in &mut clients {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    assert!(as_user(POSTFIX, connect).is_ended());
    clients.extend([as_user(NOBODY, connect), connect()]);
    for client in &mut clients {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    clients.remove(0);
    let again = || {
        let mut client = as_user(POSTFIX, connect);
        client.try_send(&request(&[]));
        client.reply().is_some()
    };
    assert!(eventually(again), "a place that is free again");
    let log = daemon.stop().out;
    let told =
        format!("closing a connection from user {POSTFIX}: it has 2 (--max-clients-per-user)");
    assert!((1..=2).contains(&lines(&log, &told).len()), "{log}");
}

#[test]
fn connections_that_are_handed_over_count_for_their_users() {
    let world = World::new();
    let listen = [&*world.unix()];
    let first = world.start(&listen, &[]);
    let mut clients: Vec<Client> = (0..5).map(|_| first.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    let second = world.start(&listen, &["--max-clients-per-user", "2"]);
    first.ended_well();
    assert!(eventually(|| clients
        .iter()
        .filter(|client| client.is_readable())
        .count()
        == 3));
    for client in clients.iter_mut().filter(|client| !client.is_readable()) {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    let log = second.stop().out;
    // The first, and at the end the last.
    assert_eq!(
        lines(&log, "it has 2 (--max-clients-per-user)").len(),
        2,
        "{log}"
    );
}
