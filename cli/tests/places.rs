//! How many clients there may be at once, who gets a place, and who has to leave for it.

mod process;
mod support;
mod world;

use std::{
    fs::{self, Permissions},
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    process::Command,
    thread,
};

use nix::sched::{CloneFlags, unshare};
use process::{Client, Daemon, as_user, is_root, lines, request};
use support::{
    eventually,
    stub::{Script, Stub},
};
use tempfile::TempDir;
use world::World;

// When all places are taken

#[test]
fn the_client_that_has_been_idle_for_longest_leaves_for_a_new_one() {
    let world = World::new();
    let listen = ["inet:127.0.0.1:0", &world.unix()];
    let limits = ["--max-clients", "3", "--workers", "1"];
    let daemon = Daemon::start(
        &listen,
        &[&["-s", &service(&world.stub)], &limits[..]].concat(),
    );
    let connect = |number: usize| {
        let mut client = Client::connect(&daemon.endpoints[number % 2]);
        assert_eq!(client.ask_about("x"), "dunno");
        client
    };
    let mut clients: Vec<Client> = (0..3).map(connect).collect();
    // The second one is the oldest now, and then the third.
    assert_eq!(clients[0].ask_about("x"), "dunno");
    for (number, leaves) in [(3, 1), (4, 1), (5, 0)] {
        clients.push(connect(number));
        assert!(clients.remove(leaves).is_ended());
    }
    for client in &mut clients {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    let log = daemon.stop().out;
    let told = "[LOG warning]: all 3 places are taken (--max-clients): closing the connection of ";
    let told = lines(&log, told);
    // More where the test takes longer than ten seconds.
    assert!((1..=3).contains(&told.len()), "{log}");
    assert!(
        told[0].ends_with("127.0.0.1, idle for 0s") || told[0].ends_with("user 0, idle for 0s")
    );
    assert_eq!(lines(&log, "warning").len(), told.len(), "{log}");
}

#[test]
fn clients_of_all_workers_share_the_places_and_leave_for_each_other() {
    let world = World::new();
    let listen = ["inet:127.0.0.1:0", &world.unix()];
    // So many that some are idle, even where a worker stands still just when it has answered.
    let limits = ["--max-clients", "50", "--workers", "4"];
    let daemon = Daemon::start(
        &listen,
        &[&["-s", &service(&world.stub)], &limits[..]].concat(),
    );
    let connect = |number: usize| {
        let mut client = Client::connect(&daemon.endpoints[number % 2]);
        assert_eq!(client.ask_about("x"), "dunno");
        client
    };
    let mut clients: Vec<Client> = (0..400).map(connect).collect();
    assert_eq!(served(&mut clients), 50);
    daemon.stop();
}

#[test]
fn where_each_has_a_request_under_way_the_newest_client_is_closed_and_costs_the_others_nothing() {
    let stub = Stub::tcp(Script::default().held());
    let dir = TempDir::new().unwrap();
    let listen = ["inet:127.0.0.1:0", &unix(&dir)];
    let daemon = Daemon::start(&listen, &["-s", &service(&stub), "--max-clients", "3"]);
    let connect = |number: usize| Client::connect(&daemon.endpoints[number % 2]);
    let mut clients: Vec<Client> = (0..3).map(connect).collect();
    for client in &clients {
        client.send(&request(&[("instance", "x")]));
    }
    assert!(stub.wait_requests(3));
    for number in 0..50 {
        assert!(connect(number).is_ended());
    }
    stub.release();
    for client in &mut clients {
        assert_eq!(client.action(), "dunno");
        assert_eq!(client.ask_about("x"), "dunno");
    }
    assert_eq!(
        connect(0).ask_about("x"),
        "dunno",
        "one of them is idle now"
    );
    let log = daemon.stop().out;
    let told = "3 clients are connected (--max-clients), and none of them is idle";
    assert!((1..=3).contains(&lines(&log, told).len()), "{log}");
}

#[test]
fn a_place_is_free_again_when_its_client_has_gone() {
    let stub = Stub::tcp(Script::default().held());
    let daemon = Daemon::tcp(&["-s", &service(&stub), "--max-clients", "1", "-d", "none"]);
    let first = daemon.connect();
    first.send(&request(&[]));
    assert!(stub.wait_requests(1));
    assert!(daemon.connect().is_ended());
    first.reset();
    stub.release();
    let back = eventually(|| {
        let mut client = daemon.connect();
        client.try_send(&request(&[]));
        client.reply().is_some()
    });
    assert!(back);
    daemon.stop();
}

#[test]
fn a_client_whose_request_has_begun_to_come_is_not_idle() {
    for before in [false, true] {
        let stub = Stub::tcp(Script::default());
        let args = [
            "-s",
            &service(&stub),
            "--max-clients",
            "2",
            "--workers",
            "1",
        ];
        let daemon = Daemon::tcp(&args);
        let (mut begun, mut idle) = (daemon.connect(), daemon.connect());
        let wire = request(&[("sender", "late")]);
        let (head, tail) = wire.split_at(wire.len() / 2);
        // A part of the next request comes with the one before it, or alone.
        let whole = if before { request(&[]) } else { Vec::new() };
        begun.send(&[&whole, head].concat());
        if before {
            assert_eq!(begun.action(), "dunno");
        }
        assert_eq!(idle.ask_about("x"), "dunno");
        assert_eq!(daemon.connect().ask_about("x"), "dunno");
        assert!(idle.is_ended());
        begun.send(tail);
        assert_eq!(begun.action(), "dunno", "{before}");
        daemon.stop();
    }
}

#[test]
fn a_client_that_left_for_another_is_closed_and_goes_to_no_successor() {
    let world = World::new();
    let listen = [&*world.unix()];
    let first = world.start(&listen, &["--max-clients", "2"]);
    let mut clients: Vec<Client> = (0..50).map(|_| first.connect()).collect();
    assert!(eventually(|| clients
        .iter()
        .filter(|client| client.is_readable())
        .count()
        == 48));
    let second = world.start(&listen, &[]);
    first.ended_well();
    assert_eq!(served(&mut clients), 2);
    second.stop();
}

// Of one address, of one user

#[test]
fn an_address_gets_no_more_connections_than_were_granted_to_it() {
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
    let mut clients = vec![from("127.0.0.1"), from("127.0.0.1")];
    for client in &mut clients {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    assert!(from("127.0.0.1").is_ended());
    clients.push(from("127.0.0.2"));
    clients.extend((0..5).map(|_| Client::connect(&daemon.endpoints[1])));
    for client in &mut clients {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    let log = daemon.stop().out;
    let told = lines(&log, "closing a connection from 127.0.0.1: it has 2");
    assert_eq!(told.len(), 1, "{log}");
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
    assert_eq!(
        lines(&log, "it has 2 (--max-clients-per-user)").len(),
        1,
        "{log}"
    );
}

// Attacks by another user

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

/// How many of them still get an answer.
fn served(clients: &mut [Client]) -> usize {
    let is_served = |client: &mut Client| {
        client.try_send(&request(&[]));
        client.reply().is_some()
    };
    clients
        .iter_mut()
        .map(is_served)
        .filter(|served| *served)
        .count()
}

/// A daemon at a socket that each user may connect to.
fn open_to_all(world: &World, args: &[&str]) -> Daemon {
    fs::set_permissions(world.dir.path(), Permissions::from_mode(0o755)).unwrap();
    let listen = format!("{},mode=0666", world.unix());
    Daemon::start(&[&listen], &[&["-s", &service(&world.stub)], args].concat())
}

/// Does this on a thread that has a network of its own, with these addresses of 2001:db8::/32.
fn in_a_network(addresses: &[&str], work: impl FnOnce() + Send) {
    let ip = |words: &str| {
        let status = Command::new("ip").args(words.split(' ')).status();
        assert!(status.expect("iproute2 is there").success(), "ip {words}");
    };
    let work = || {
        unshare(CloneFlags::CLONE_NEWNET).expect("this runs as root");
        ip("link set lo up");
        // That of an address comes a moment later.
        ip("-6 route add local 2001:db8::/32 dev lo");
        for address in addresses {
            ip(&format!("-6 addr add {address}/128 dev lo nodad"));
        }
        work();
    };
    thread::scope(|scope| scope.spawn(work).join().expect("no panic"));
}

fn service(stub: &Stub) -> String {
    format!("a={}", stub.address())
}

fn unix(dir: &TempDir) -> String {
    format!("unix:{}", dir.path().join("policy.sock").display())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

const NOBODY: u32 = 65534;
/// As Debian may have it; any other will do.
const POSTFIX: u32 = 105;
