//! One daemon after the other, without a client that notices: `--handover`.

mod process;
mod support;
mod world;

use std::{
    fs,
    net::{IpAddr, UdpSocket},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    process::Command,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
    time::Duration,
};

use process::{
    Client, Daemon, Gate, HAPOLICY, Manager, Postfix, Process, Signal, is_root, request,
};
use socket2::{Domain, SockAddr, Socket, Type};
use support::stub::{Reply, Script, Stub};
use tempfile::TempDir;
use world::World;

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
        assert_eq!(process::lines(&log, "warning"), [""; 0]);
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
fn a_successor_that_does_not_start_changes_nothing() {
    let world = World::new();
    let first = world.start(&["inet:127.0.0.1:0"], &[]);
    let mut client = first.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    let args = [
        "--listen",
        "inet:127.0.0.1:0",
        "--listen",
        "unix:/nonexistent/policy.sock",
    ];
    for _ in 0..3 {
        let ended = world.try_start(&args).end();
        assert_eq!(ended.code, Some(71), "{ended:?}");
        assert!(first.process.out.wait_lines(1, "no handover: "));
        assert_eq!(client.ask_about("x"), "dunno");
        assert_eq!(first.connect().ask_about("x"), "dunno");
    }
    let second = world.start(&["inet:127.0.0.1:0"], &[]);
    first.ended_well();
    assert_eq!(client.ask_about("x"), "dunno");
    second.stop();
}

#[test]
fn a_daemon_that_was_killed_is_no_hindrance() {
    let world = World::new();
    let first = world.start(&[&world.unix()], &[]);
    first.process.signal(Signal::KILL);
    assert_eq!(first.process.end().code, None);
    let second = world.start(&[&world.unix()], &[]);
    assert_eq!(second.connect().ask_about("x"), "dunno");
    second.stop();
}

#[test]
fn a_predecessor_that_does_not_answer_is_waited_for_no_longer_than_said() {
    let world = World::new();
    let hung = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    let path = world.path("handover.sock");
    hung.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    hung.listen(1).unwrap();
    let daemon = world.start(&["inet:127.0.0.1:0"], &[]);
    assert_eq!(
        daemon
            .process
            .out
            .lines("no handover from the daemon before")
            .len(),
        1
    );
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    // It has taken the other's place.
    let successor = world.start(&["inet:127.0.0.1:0"], &[]);
    daemon.ended_well();
    successor.stop();
}

#[test]
fn a_daemon_that_stands_still_keeps_its_port_and_the_next_one_says_so() {
    let world = World::new();
    let first = world.start(&["inet:127.0.0.1:0"], &[]);
    first.process.signal(Signal::STOP);
    let ended = world.try_start(&["--listen", first.endpoint()]).end();
    assert_eq!(ended.code, Some(71), "{ended:?}");
    assert!(ended.err.contains("in use"), "{ended:?}");
    first.process.signal(Signal::CONT);
    assert_eq!(first.connect().ask_about("x"), "dunno");
    first.stop();
}

#[test]
fn what_is_no_socket_in_the_place_of_the_handover_is_left_alone() {
    let world = World::new();
    fs::write(world.path("handover.sock"), "precious").unwrap();
    let ended = world.try_start(&["--listen", "inet:127.0.0.1:0"]).end();
    assert_eq!(ended.code, Some(71), "{ended:?}");
    assert_eq!(
        fs::read_to_string(world.path("handover.sock")).unwrap(),
        "precious"
    );
}

#[test]
fn nobody_else_gets_the_sockets_or_gives_connections() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let daemon = world.start(&["inet:127.0.0.1:0"], &[]);
    let path = world.path("handover.sock");
    let found = fs::symlink_metadata(&path).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    // As if somebody had opened it to all.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(world.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = world.path("hapolicy");
    fs::copy(HAPOLICY, &program).unwrap();
    let mut stranger = Command::new(program);
    stranger
        .args(world.words(&["--listen", "inet:127.0.0.1:0"]))
        .uid(65534)
        .gid(65534);
    let ended = Process::of(&mut stranger).end();
    assert_eq!(
        ended.code,
        Some(71),
        "it may not replace the socket either: {ended:?}"
    );
    assert!(daemon.process.out.wait_lines(1, "no handover: "));
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    daemon.stop();
}

#[test]
fn a_daemon_that_gave_up_root_hands_over_to_one_that_root_starts() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let start = || world.start(&["inet:127.0.0.1:0"], &["--user", "nobody"]);
    let first = start();
    assert_eq!(
        fs::symlink_metadata(world.path("handover.sock"))
            .unwrap()
            .uid(),
        65534
    );
    let mut client = first.connect();
    assert_eq!(client.ask_about("x"), "dunno");
    let second = start();
    first.ended_well();
    assert_eq!(client.ask_about("x"), "dunno");
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
    assert!(manager.said()[1].starts_with("RELOADING=1\nMONOTONIC_USEC="));
    second.stop();
}

/// Whoever an `--allow` no longer names has no connection left from before.
#[test]
fn a_connection_that_is_handed_over_is_asked_whose_it_is() {
    let Some(own) = own_address() else {
        return;
    };
    let world = World::new();
    let (here, allow) = (format!("inet:{own}:0"), own.to_string());
    let start = |allow: &str| {
        world.start(
            &[&here, "inet:127.0.0.1:0", &world.unix()],
            &["--allow", allow],
        )
    };
    let first = start(&allow);
    let mut clients: Vec<Client> = first
        .endpoints
        .iter()
        .map(|to| Client::connect(to))
        .collect();
    assert!(
        clients
            .iter_mut()
            .all(|client| client.ask_about("x") == "dunno")
    );
    let second = start(&format!("{own},192.0.2.77"));
    first.ended_well();
    assert!(
        clients
            .iter_mut()
            .all(|client| client.ask_about("x") == "dunno")
    );

    let third = start("192.0.2.77");
    second.ended_well();
    assert!(clients.remove(0).is_ended());
    let refused = format!("closing a connection from {own}: not in --allow");
    assert!(third.process.out.wait_lines(1, &refused));
    assert!(
        clients
            .iter_mut()
            .all(|client| client.ask_about("x") == "dunno")
    );
    third.stop();
}

/// An address of this machine's that is not loopback, if it has one.
fn own_address() -> Option<IpAddr> {
    let probe = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent.
    let own = probe
        .connect("192.0.2.1:9")
        .and_then(|()| probe.local_addr());
    let own = own
        .ok()
        .map(|own| own.ip())
        .filter(|own| !own.is_loopback());
    if own.is_none() {
        println!("SKIPPED: no network but loopback");
    }
    own
}

#[test]
fn ten_restarts_under_load_cost_no_client_a_repeat() {
    let world = World::new();
    world.stub.set(Script::reply(Reply::Call(echo)));
    let listen = ["inet:127.0.0.1:0", &world.unix()];
    let mut daemon = world.start(&listen, &["-d", "none"]);
    let mut ended = Vec::new();
    let served = under_load(&daemon.endpoints.clone(), || {
        for _ in 0..10 {
            thread::sleep(BETWEEN);
            let successor = world.start(&listen, &["-d", "none"]);
            ended.push(std::mem::replace(&mut daemon, successor).ended_well());
        }
    });
    served.assert_without_repeat("handovers");
    for log in ended {
        assert_eq!(process::lines(&log.out, "warning"), [""; 0]);
    }
    daemon.stop();
}

#[test]
fn ten_restarts_by_a_service_manager_cost_no_client_a_repeat() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)));
    let dir = TempDir::new().unwrap();
    let unix = std::os::unix::net::UnixListener::bind(dir.path().join("policy.sock")).unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let manager = Manager::of(vec![tcp.into(), unix.into()]);
    let args = ["-s", &format!("a={}", stub.address()), "-d", "none"];
    let mut daemon = Some(manager.start(&args));
    let endpoints = daemon.as_ref().map(|daemon| daemon.endpoints.clone());
    let served = under_load(&endpoints.unwrap_or_default(), || {
        for _ in 0..10 {
            thread::sleep(BETWEEN);
            // Between the two nobody is there.
            let log = daemon.take().map(Daemon::stop).unwrap().out;
            assert_eq!(process::lines(&log, "warning"), [""; 0]);
            daemon = Some(manager.start(&args));
        }
    });
    served.assert_without_repeat("restarts by a service manager");
    daemon.map(Daemon::stop);
}

/// Has clients as Postfix is one ask all the time while something happens.
fn under_load(endpoints: &[String], happens: impl FnOnce()) -> Served {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let client = |number: usize| {
            // A half keeps its connections, a half connects again and again.
            let max_ttl = [Duration::from_secs(1000), Duration::from_millis(20)][number / 2 % 2];
            let (endpoint, over) = (&endpoints[number % endpoints.len()], &over);
            let mut client = Postfix::new(endpoint, max_ttl);
            move || {
                let mut requests = 0;
                while !over.load(SeqCst) {
                    let mark = format!("{number}.{requests}");
                    let reply = client.ask(&request(&[("sender", &mark)]));
                    let expected = format!("action={mark}\n\n");
                    assert_eq!(reply.as_deref(), Some(expected.as_bytes()));
                    requests += 1;
                }
                Served {
                    requests,
                    connections: client.connections,
                    repeats: client.repeats,
                }
            }
        };
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(client(number)))
            .collect();
        // However this ends.
        let ends = Ends(&over);
        happens();
        drop(ends);
        let all = clients
            .into_iter()
            .map(|client| client.join().expect("right answers"));
        all.fold(Served::default(), Served::and)
    })
}

#[derive(Debug, Default)]
struct Served {
    requests: usize,
    connections: usize,
    repeats: Vec<String>,
}

impl Served {
    fn and(mut self, other: Self) -> Self {
        self.requests += other.requests;
        self.connections += other.connections;
        self.repeats.extend(other.repeats);
        self
    }

    fn assert_without_repeat(&self, what: &str) {
        let Self {
            requests,
            connections,
            repeats,
        } = self;
        println!(
            "10 {what}: {requests} requests over {connections} connections of {CLIENTS} clients, {} repeats",
            repeats.len()
        );
        assert_eq!(*repeats, [""; 0]);
        assert!(*connections > 10 * CLIENTS, "{connections} connections");
    }
}

/// Has the clients end when this is dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Answers with the request's sender.
fn echo(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let mark = text.lines().find_map(|line| line.strip_prefix("sender="));
    format!("action={}\n\n", mark.unwrap_or_default()).into_bytes()
}

const CLIENTS: usize = 16;
/// From one restart to the next.
const BETWEEN: Duration = Duration::from_millis(200);
