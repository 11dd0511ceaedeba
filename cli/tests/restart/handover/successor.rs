//! A successor takes over, wherever it listens.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
};

use policy_testing::{
    World,
    process::{self, Client, Daemon, Gate, Manager, request},
};

#[test]
fn a_successor_gets_the_sockets_and_the_connections_and_the_daemon_before_it_ends() {
    let world = World::new();
    let listen = ["inet:127.0.0.1:0", "inet:127.0.0.1:0", &world.unix()];
    let mut daemon = world.start(&listen, &["--workers", "1"]);
    let endpoints = daemon.endpoints.clone();
    let mut clients: Vec<Client> = (0..300)
        .map(|number| Client::connect(&endpoints[number % 3]))
        .collect();
    for workers in ["3", "2", "1", "2"] {
        for client in &mut clients {
            assert_eq!(client.ask_about("x"), "dunno");
        }
        let successor = world.start(&listen, &["--workers", workers]);
        let log = daemon.ended_well().out;
        assert_eq!(
            process::lines(&log, "handing over to process").len(),
            1,
            "{log}"
        );
        assert_eq!(process::warnings(&log), [""; 0]);
        daemon = successor;
        // Also at the ports that the system chose.
        assert_eq!(daemon.endpoints, endpoints);
        assert!(clients.iter().all(|client| !client.is_readable()));
        clients.push(Client::connect(&endpoints[clients.len() % 3]));
    }
    for client in &mut clients {
        assert_eq!(client.ask_about("x"), "dunno");
    }
    daemon.stop();
    assert!(
        fs::symlink_metadata(world.path("policy.sock")).is_err(),
        "removed by the last"
    );
    assert!(fs::symlink_metadata(world.path("handover.sock")).is_err());
}

#[test]
fn a_successor_gets_the_admin_listener_at_once() {
    let world = World::new();
    let gate = Gate::new();
    let socket = world.path("admin.sock");
    let admin = format!("unix:{}", socket.display());
    let service = format!("gate={}:::60", gate.address);
    let start = || world.start(&[&*world.unix()], &["--admin", &admin, "-s", &service]);
    let replies = || {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let counts = answer.lines();
        let mut counts =
            counts.filter_map(|line| line.strip_prefix("hapolicy_request_duration_seconds_count "));
        counts.next().map(str::to_owned)
    };
    let first = start();
    gate.release("early");
    let mut early = first.connect();
    early.send(&request(&[("sender", "early")]));
    assert_eq!(early.action(), "early");
    assert_eq!(replies().as_deref(), Some("1"));
    // The first one has a request to finish, and leaves the listener to the second one all the same.
    let late = first.connect();
    late.send(&request(&[("sender", "late")]));
    assert!(gate.wait_arrived(2));
    let second = start();
    assert!(first.process.out.wait_lines(1, "handing over to process"));
    for _ in 0..20 {
        assert_eq!(replies().as_deref(), Some("0"));
    }
    gate.release("late");
    first.ended_well();
    assert_eq!(
        replies().as_deref(),
        Some("0"),
        "the socket is the second one's"
    );
    second.stop();
    assert!(!socket.exists(), "removed by the last");
}

#[test]
fn a_request_under_way_is_answered_by_its_daemon_and_its_connection_goes_to_the_last() {
    let world = World::new();
    let gate = Gate::new();
    let listen = [&*world.unix()];
    let service = format!("gate={}:::60", gate.address);
    let start = || world.start(&listen, &["-s", &service]);
    let first = start();
    let mut client = first.connect();
    client.send(&request(&[("sender", "late")]));
    assert!(gate.wait_arrived(1));
    let second = start();
    let third = start();
    second.ended_well();
    gate.release("late");
    assert_eq!(client.action(), "late");
    first.ended_well();
    gate.release("again");
    assert_eq!(
        client.ask(&request(&[("sender", "again")])),
        "again",
        "over the same connection"
    );
    third.stop();
}

#[test]
fn a_successor_may_listen_elsewhere_in_addition_and_no_longer_here() {
    let world = World::new();
    let (here, there) = (
        world.unix(),
        format!("unix:{}", world.path("other.sock").display()),
    );
    let first = world.start(&[&here, "inet:127.0.0.1:0"], &[]);
    let left = first.endpoints[1].clone();
    let second = world.start(&[&here, &there], &[]);
    first.ended_well();
    for endpoint in &second.endpoints {
        assert_eq!(Client::connect(endpoint).ask_about("x"), "dunno");
    }
    assert!(
        Client::try_connect(&left).is_err(),
        "nobody listens there any more"
    );
    second.stop();
}

#[test]
fn the_mode_of_a_unix_socket_is_the_successors() {
    let world = World::new();
    let mode = |mode: &str| format!("{},mode={mode}", world.unix());
    let first = world.start(&[&mode("0600")], &[]);
    let second = world.start(&[&mode("0666")], &[]);
    first.ended_well();
    let found = fs::symlink_metadata(world.path("policy.sock")).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o666);
    second.stop();
}

#[test]
fn the_manager_is_told_which_process_is_the_service_now() {
    let world = World::new();
    let manager = Manager::of(Vec::new());
    let listen = ["--listen", "inet:127.0.0.1:0"];
    let args = world.words(&listen);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let first = Daemon::of(&mut manager.command(&args), 1);
    assert!(manager.wait(1, "READY=1"));
    let second = world.start(&["inet:127.0.0.1:0"], &[]);
    first.ended_well();
    let main = format!("MAINPID={}\nREADY=1", second.process.id());
    assert!(manager.wait(1, &main), "{:?}", manager.said());
    let said = manager.said();
    let mut said = said.iter();
    assert!(said.any(|said| said.starts_with("RELOADING=1\nMONOTONIC_USEC=")));
    assert!(said.any(|said| *said == main), "after that");
    second.stop();
}
