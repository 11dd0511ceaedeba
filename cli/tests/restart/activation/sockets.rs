//! Sockets that the manager passes.

use std::{
    fs,
    io::{Read, Write},
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    process::{Command, Stdio},
};

use policy_testing::{
    process::{self, Client, Daemon, Manager, Process, Signal, hapolicy, request, run},
    stub::{Script, Stub},
};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::{service, tcp};

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
fn a_socket_without_a_path_that_is_passed_is_served_and_has_its_name_in_the_log() {
    let stub = Stub::tcp(Script::default());
    let name = format!("hapolicy-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = Manager::of(vec![UnixListener::bind_addr(&address).unwrap().into()]);
    let daemon = manager.start(&["-s", &service(&stub)]);
    assert_eq!(daemon.endpoint(), format!("unix:@{name}"));
    let mut client = UnixStream::connect_addr(&address).unwrap();
    client.write_all(&request(&[("instance", "x")])).unwrap();
    let mut answer = [0; 14];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"action=dunno\n\n");
    daemon.stop();
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

/// Two groups, none of which is for all.
fn grouped(stub: &Stub, more: &str) -> String {
    let address = stub.address();
    format!(
        "[service.a]\naddress = \"{address}\"\n[service.b]\naddress = \"{address}\"\n\
         [group.one]\nservices = \"a\"\n[group.two]\nservices = \"b\"\n\
         [listener.known]\naddress = \"inet:127.0.0.1:0\"\ngroup = \"one\"\n{more}"
    )
}

#[test]
fn a_passed_socket_that_is_no_listener_of_the_file_needs_a_group_for_all() {
    let stub = Stub::tcp(Script::answer("a"));
    let dir = TempDir::new().unwrap();
    let (socket, endpoint) = tcp("127.0.0.1:0");
    let port = endpoint.rsplit(':').next().unwrap();
    let manager = Manager::of(vec![socket]);
    let path = dir.path().join("f").display().to_string();
    let args = ["--config", &path];
    let said = format!(
        "LISTEN_FDS: a request over the socket {endpoint} that no route takes has no group: give a [listener.NAME]"
    );
    fs::write(&path, grouped(&stub, "")).unwrap();
    let ended = Process::of(&mut manager.command(&args)).end();
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.err.contains(&said), "{ended:?}");

    // The address may be said by a name.
    let named = format!(
        "[listener.x]\naddress = \"inet:localhost:{port}\"\ngroup = \"two\"\ndefault = \"DEFER\"\n"
    );
    let route = "[[route]]\ngroup = \"two\"\n".to_owned();
    for (more, listeners) in [(route, 2), (named, 2)] {
        fs::write(&path, grouped(&stub, &more)).unwrap();
        let daemon = Daemon::of(&mut manager.command(&args), listeners);
        assert_eq!(Client::connect(&endpoint).ask_about("x"), "a", "{more}");
        fs::write(&path, grouped(&stub, "")).unwrap();
        daemon.process.signal(Signal::HUP);
        assert!(daemon.process.out.wait_lines(1, &said), "{more}");
        assert_eq!(Client::connect(&endpoint).ask_about("x"), "a", "{more}");
        daemon.stop();
    }
}

#[test]
fn a_passed_socket_has_the_rules_of_the_listener_whose_name_has_its_address() {
    let dir = TempDir::new().unwrap();
    let (socket, endpoint) = tcp("127.0.0.1:0");
    let port = endpoint.rsplit(':').next().unwrap();
    let manager = Manager::of(vec![socket]);
    let path = dir.path().join("f").display().to_string();
    let text = format!(
        "[service.dead]\naddress = \"127.0.0.1:1\"\n\
         [listener.x]\naddress = \"inet:localhost:{port}\"\ndefault = \"DEFER\"\n"
    );
    fs::write(&path, text).unwrap();
    let daemon = Daemon::of(&mut manager.command(&["--config", &path]), 1);
    assert_eq!(Client::connect(&endpoint).ask_about("x"), "DEFER");
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
        hapolicy(),
        "-L",
        "-s",
        &service(&stub),
    ]);
    other.env("LISTEN_FDS", "1");
    let (near, far) = UnixStream::pair().unwrap();
    let (far, output) = (OwnedFd::from(far.try_clone().unwrap()), OwnedFd::from(far));
    let process = Process::untouched(other.stdin(far).stdout(output));
    drop(other);
    // What may have been left over from a parent does not keep the drop-in from serving its client.
    let client = Client::of(near);
    client.shut_down_writing();
    assert_eq!(client.read_once(), b"");
    assert_eq!(process.end().code, Some(0));
}

#[test]
fn a_service_manager_that_has_started_no_listener_is_told_with_78() {
    let stub = Stub::tcp(Script::default());
    let service = service(&stub);
    let own = "LISTEN_PID=$$ exec \"$@\"";
    for (script, variable, value, named) in [
        (
            "exec \"$@\"",
            "NOTIFY_SOCKET",
            "/nonexistent",
            "NOTIFY_SOCKET",
        ),
        ("exec \"$@\"", "NOTIFY_SOCKET", "@abstract", "NOTIFY_SOCKET"),
        (own, "LISTEN_FDS", "0", "LISTEN_FDS"),
        // A shell in between, whose child it is.
        (
            "LISTEN_PID=$$; \"$@\"; exit $?",
            "LISTEN_FDS",
            "1",
            "LISTEN_FDS",
        ),
        ("exec \"$@\"", "LISTEN_FDS", "1", "LISTEN_FDS"),
    ] {
        let start = |more: &[&str]| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script, "sh", hapolicy(), "-s", &service]);
            command.args(more).env(variable, value).stdin(Stdio::null());
            Process::of(&mut command)
        };
        let ended = start(&[]).end();
        assert_eq!(ended.code, Some(78), "{script} {variable}: {ended:?}");
        assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
        assert!(
            ended.err.contains(named) && ended.err.contains("--listen"),
            "{ended:?}"
        );
        assert_eq!(
            start(&["--check"]).end().code,
            Some(0),
            "it is only looked at"
        );
    }
}

#[test]
fn a_connection_in_the_place_of_a_listener_is_told_with_78() {
    // As a socket unit with Accept=yes passes it.
    let stub = Stub::tcp(Script::default());
    let (_near, far) = UnixStream::pair().unwrap();
    let manager = Manager::of(vec![far.into()]);
    let ended = Process::of(&mut manager.command(&["-s", &service(&stub)])).end();
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.err.contains("Accept="), "{ended:?}");
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
}

#[test]
fn what_is_no_stream_socket_ends_the_start_with_78() {
    let stub = Stub::tcp(Script::default());
    let datagram = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    let file = fs::File::open("/dev/null").unwrap();
    for other in [OwnedFd::from(datagram), file.into()] {
        let manager = Manager::of(vec![other]);
        let ended = Process::of(&mut manager.command(&["-s", &service(&stub)])).end();
        assert_eq!(ended.code, Some(78), "{ended:?}");
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
fn the_command_line_of_the_unit_is_valid() {
    let unit = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../contrib/systemd/hapolicy.service"
    );
    let unit = fs::read_to_string(unit).unwrap().replace("\\\n", " ");
    let environment = process::lines(&unit, "Environment=").pop().unwrap();
    let environment = environment.replace("Environment=", "export ");
    let command = process::lines(&unit, "ExecStart=").pop().unwrap();
    let command = command.replace("ExecStart=/usr/local/sbin/hapolicy", hapolicy());
    // systemd splits the variable into words as eval does.
    let script = format!("{environment}\neval \"{command} --check\"");
    let ended = run("/bin/sh", &["-c", &script]);
    // Where systemd does not run nothing makes that directory.
    let missed = "hapolicy: warning: --control unix:/run/hapolicy/control: No such file";
    let mut others = ended.err.lines().filter(|line| !line.starts_with(missed));
    assert_eq!((ended.code, others.next()), (Some(0), None), "{ended:?}");
    let services = process::lines(&ended.out, "--service=");
    assert_eq!(services.len(), 2, "{ended:?}");
}
