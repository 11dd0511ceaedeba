//! Clients that leave or are refused when all places are taken.

use policy_testing::{
    World, eventually,
    process::{Client, Daemon, lines, request, warnings},
    stub::{Script, Stub},
};
use tempfile::TempDir;

use super::{served, service, unix};

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
    let told = "[LOG warning]: warning: all 3 places are taken (--max-clients): closing the connection of ";
    let told = lines(&log, told);
    // More where the test takes longer than ten seconds.
    assert!((1..=4).contains(&told.len()), "{log}");
    let (who, idle) = told[0].split_once(", idle for ").expect(&log);
    assert!(
        who.ends_with("127.0.0.1") || who.ends_with("user 0"),
        "{who}"
    );
    let seconds = idle.strip_suffix('s').map(str::parse::<u64>);
    assert!(matches!(seconds, Some(Ok(_))), "{idle}");
    assert_eq!(warnings(&log).len(), told.len(), "{log}");
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
    // One of them is idle, as soon as its worker has come so far.
    assert!(eventually(|| {
        let mut client = connect(0);
        client.try_send(&request(&[]));
        client.reply().is_some()
    }));
    let log = daemon.stop().out;
    let told = "3 clients are connected (--max-clients), and none is idle that could leave for it";
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
