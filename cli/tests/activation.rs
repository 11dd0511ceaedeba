//! A daemon under a service manager: sockets that are passed, what it is told, and what it keeps.

mod process;
mod support;

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixListener},
    process::{Command, Stdio},
    time::Duration,
};

use process::{Client, Daemon, Gate, HAPOLICY, Manager, Process, Signal, request, run};
use socket2::{Domain, Socket, Type};
use support::{
    eventually,
    stub::{Script, Stub},
};
use tempfile::TempDir;

// Sockets

#[test]
fn a_socket_that_is_passed_is_served_and_stays_when_its_daemon_ends() {
    let stub = Stub::tcp(Script::default());
    let (socket, endpoint) = tcp("127.0.0.1:0");
    let manager = Manager::of(vec![socket]);
    let daemon = manager.start(&["-s", &service(&stub)]);
    assert_eq!(daemon.endpoint(), endpoint);
    assert_eq!(Client::connect(&endpoint).ask_about("x"), "dunno");
    daemon.stop();

    let mut waiting = Client::connect(&endpoint);
    waiting.send(&request(&[("instance", "x")]));
    let daemon = manager.start(&["-s", &service(&stub)]);
    assert_eq!(waiting.action(), "dunno", "it has waited for the next one");
    daemon.stop();
}

#[test]
fn the_path_of_a_unix_socket_that_is_passed_stays() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("policy.sock");
    let manager = Manager::of(vec![UnixListener::bind(&path).unwrap().into()]);
    let endpoint = format!("unix:{}", path.display());
    for _ in 0..2 {
        let daemon = manager.start(&["-s", &service(&stub), "--workers", "3"]);
        assert_eq!(daemon.endpoint(), endpoint);
        assert_eq!(daemon.connect().ask_about("x"), "dunno");
        daemon.stop();
        assert!(fs::symlink_metadata(&path).is_ok());
    }
}

#[test]
fn what_is_asked_for_and_was_passed_is_not_bound_and_the_rest_is() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("policy.sock");
    let (socket, endpoint) = tcp("127.0.0.1:0");
    let unix = UnixListener::bind(&path).unwrap();
    let manager = Manager::of(vec![socket, unix.into()]);
    let (unix, service) = (format!("unix:{}", path.display()), service(&stub));
    let args = ["--listen", &endpoint, "--listen", &unix];
    let args = [&args[..], &["--listen", "inet:127.0.0.1:0", "-s", &service]].concat();
    let daemon = Daemon::of(&mut manager.command(&args), 3);
    assert_eq!(daemon.endpoints.len(), 3, "{:?}", daemon.endpoints);
    for endpoint in &daemon.endpoints {
        assert_eq!(Client::connect(endpoint).ask_about("x"), "dunno");
    }
    daemon.stop();
}

#[test]
fn a_passed_socket_that_other_machines_can_reach_needs_to_be_told_whom_it_is_for() {
    let stub = Stub::tcp(Script::default());
    let (socket, endpoint) = tcp("0.0.0.0:0");
    let manager = Manager::of(vec![socket]);
    let ended = Process::of(&mut manager.command(&["-s", &service(&stub)])).end();
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.err.contains("--allow"), "{ended:?}");

    let daemon = manager.start(&["-s", &service(&stub), "--allow", "127.0.0.2"]);
    let port = endpoint.rsplit(':').next().unwrap();
    let from = |source: [u8; 4]| Client::connect_from(source.into(), &format!("127.0.0.1:{port}"));
    assert!(from([127, 0, 0, 1]).is_ended());
    assert_eq!(from([127, 0, 0, 2]).ask_about("x"), "dunno");
    daemon.stop();
}

#[test]
fn what_was_passed_to_another_process_is_left_alone() {
    let stub = Stub::tcp(Script::default());
    let mut other = Command::new("/bin/sh");
    other.args([
        "-c",
        "LISTEN_PID=1 exec \"$@\"",
        "sh",
        HAPOLICY,
        "-L",
        "-s",
        &service(&stub),
    ]);
    other.env("LISTEN_FDS", "1").stdin(Stdio::null());
    let ended = Process::of(&mut other).end();
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(0), ""),
        "it is no daemon"
    );
}

#[test]
fn what_is_no_stream_socket_ends_the_start_with_71() {
    let stub = Stub::tcp(Script::default());
    let datagram = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    let file = fs::File::open("/dev/null").unwrap();
    for other in [OwnedFd::from(datagram), file.into()] {
        let manager = Manager::of(vec![other]);
        let ended = Process::of(&mut manager.command(&["-s", &service(&stub)])).end();
        assert_eq!(ended.code, Some(71), "{ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
    }
}

#[test]
fn a_wrong_command_line_with_passed_sockets_is_a_daemons() {
    let manager = Manager::of(vec![tcp("127.0.0.1:0").0]);
    let ended = Process::of(&mut manager.command(&["--no-such-option"])).end();
    assert_eq!(ended.code, Some(64), "{ended:?}");
}

#[test]
fn the_command_line_of_the_unit_in_the_docs_is_valid() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/hapolicy.service");
    let unit = fs::read_to_string(unit).unwrap().replace("\\\n", " ");
    let line = process::lines(&unit, "ExecStart=").pop().unwrap();
    let line = line.replace("ExecStart=/usr/sbin/hapolicy", HAPOLICY);
    let ended = run(
        "/bin/sh",
        &["-c", &format!("{line} --listen unix:/x --check")],
    );
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(ended.out.lines().count(), 2, "{ended:?}");
}

// What the manager is told

#[test]
fn the_manager_is_told_when_a_daemon_is_ready_and_when_it_stops() {
    let stub = Stub::tcp(Script::default());
    let manager = Manager::of(vec![tcp("127.0.0.1:0").0]);
    let daemon = manager.start(&["-s", &service(&stub)]);
    assert!(manager.wait(1, "READY=1"), "{:?}", manager.said());
    assert!(!manager.said().contains(&"STOPPING=1".to_owned()));
    daemon.stop();
    assert!(manager.wait(1, "STOPPING=1"), "{:?}", manager.said());
}

#[test]
fn a_daemon_that_does_not_start_is_not_ready() {
    let stub = Stub::tcp(Script::default());
    let manager = Manager::of(vec![tcp("127.0.0.1:0").0]);
    let args = [
        "-s",
        &service(&stub),
        "--listen",
        "unix:/nonexistent/policy.sock",
    ];
    assert_eq!(
        Process::of(&mut manager.command(&args)).end().code,
        Some(71)
    );
    assert_eq!(manager.said(), [""; 0]);
}

#[test]
fn the_watchdog_is_fed_as_long_as_all_workers_turn() {
    let stub = Stub::tcp(Script::default());
    let mut manager = Manager::of(vec![tcp("127.0.0.1:0").0]);
    manager
        .environment
        .push(("WATCHDOG_USEC", "300000".to_owned()));
    let daemon = manager.start(&["-s", &service(&stub), "--workers", "3"]);
    assert!(manager.wait(5, "WATCHDOG=1"), "{:?}", manager.said());

    // One of three stands still; the others serve on.
    let stopped = Stopped::thread(daemon.process.id(), "worker 1");
    assert!(daemon.process.out.wait_lines(1, "worker 1 does not turn"));
    let fed = || {
        manager
            .said()
            .iter()
            .filter(|said| *said == "WATCHDOG=1")
            .count()
    };
    let before = fed();
    assert!(daemon.process.out.wait_lines(4, "worker 1 does not turn"));
    assert_eq!(fed(), before);
    drop(stopped);
    assert!(
        manager.wait(before + 3, "WATCHDOG=1"),
        "{:?}",
        manager.said()
    );
    daemon.stop();
}

#[test]
fn without_a_watchdog_nobody_is_fed() {
    let stub = Stub::tcp(Script::default().after(Duration::from_millis(500)));
    let mut manager = Manager::of(vec![tcp("127.0.0.1:0").0]);
    let environment = [("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "1")];
    manager.environment = environment
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec();
    let daemon = manager.start(&["-s", &service(&stub)]);
    // Some of what would be its periods.
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    daemon.stop();
    assert!(
        !manager.said().contains(&"WATCHDOG=1".to_owned()),
        "for another process"
    );
}

// What the manager keeps

#[test]
fn idle_connections_outlive_their_daemon_in_the_managers_store() {
    let gate = Gate::new();
    gate.release("soon");
    let args = ["-s", &format!("gate={}:::60", gate.address)];
    let dir = TempDir::new().unwrap();
    let unix = UnixListener::bind(dir.path().join("policy.sock")).unwrap();
    let manager = Manager::of(vec![tcp("127.0.0.1:0").0, unix.into()]);
    let mut daemon = manager.start(&args);
    let mut clients: Vec<Client> = (0..300)
        .map(|number| Client::connect(&daemon.endpoints[number % 2]))
        .collect();
    let soon = request(&[("sender", "soon")]);
    for restart in 0..3 {
        for client in &mut clients {
            assert_eq!(client.ask(&soon), "soon", "{restart}");
        }
        let (mut late, mark) = (daemon.connect(), format!("late {restart}"));
        late.send(&request(&[("sender", &mark)]));
        assert!(eventually(|| gate.arrived().contains(&mark)));
        daemon.process.signal(Signal::TERM);
        assert!(eventually(|| manager.kept() == clients.len()));
        gate.release(&mark);
        assert_eq!(late.action(), mark, "what is under way is answered");
        daemon.ended_well();
        clients.push(late);
        assert!(clients.iter().all(|client| !client.is_readable()));
        daemon = manager.start(&args);
    }
    for client in &mut clients {
        assert_eq!(client.ask(&soon), "soon");
    }
    let log = daemon.stop().out;
    assert_eq!(process::lines(&log, "warning"), [""; 0]);
}

/// The store holds a descriptor of its own: as long as it does, nobody else can close the connection.
#[test]
fn a_connection_from_the_managers_store_is_closed_when_its_new_daemon_closes_it() {
    let stub = Stub::tcp(Script::default());
    let service = service(&stub);
    let dir = TempDir::new().unwrap();
    let unix = UnixListener::bind(dir.path().join("policy.sock")).unwrap();
    let manager = Manager::of(vec![tcp("127.0.0.1:0").0, unix.into()]);
    let first = manager.start(&["-s", &service]);
    let connect = |endpoint: &String| {
        let mut client = Client::connect(endpoint);
        assert_eq!(client.ask_about("x"), "dunno", "it has been accepted");
        client
    };
    let idle: Vec<Client> = first.endpoints.iter().map(connect).collect();
    let too_long: Vec<Client> = first.endpoints.iter().map(connect).collect();
    let left: Vec<Client> = first.endpoints.iter().map(connect).collect();
    first.stop();
    assert_eq!(manager.kept(), 6);
    drop(left);

    let second = manager.start(&["-s", &service, "--idle", "1s"]);
    for mut client in too_long {
        client.send(&request(&[("sender", &"x".repeat(1 << 15))]));
        assert!(client.is_ended(), "after a line that is too long");
    }
    for mut client in idle {
        assert!(client.is_ended(), "after --idle");
    }
    assert_eq!(manager.kept(), 0, "nobody left comes back");
    let log = second.stop().out;
    assert_eq!(process::lines(&log, "listening").len(), 2);
    assert_eq!(manager.kept(), 0);
}

fn tcp(address: &str) -> (OwnedFd, String) {
    let socket = TcpListener::bind(address).unwrap();
    let address: SocketAddr = socket.local_addr().unwrap();
    (socket.into(), format!("inet:{address}"))
}

fn service(stub: &Stub) -> String {
    format!("a={}", stub.address())
}

/// A thread of a process that is kept from running until this is dropped.
struct Stopped(nix::unistd::Pid);

impl Stopped {
    fn thread(process: u32, name: &str) -> Self {
        use nix::sys::ptrace;

        let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
        let thread = tasks.map(|task| task.unwrap().path()).find(|task| {
            fs::read_to_string(task.join("comm")).is_ok_and(|found| found.trim() == name)
        });
        let thread = thread.expect("a thread of that name");
        let id = thread
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        let id = nix::unistd::Pid::from_raw(id);
        ptrace::seize(id, ptrace::Options::empty()).unwrap();
        ptrace::interrupt(id).unwrap();
        let flags = nix::sys::wait::WaitPidFlag::__WALL;
        nix::sys::wait::waitpid(id, Some(flags)).unwrap();
        Self(id)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        _ = nix::sys::ptrace::detach(self.0, None);
    }
}
