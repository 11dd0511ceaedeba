//! Sockets that are bound, and addresses that cannot be.

use std::{fs, net::SocketAddr, path::Path};

use policy_testing::{
    process::{self, Client, Daemon, hapolicy, run},
    stub::{Script, Stub},
};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::{path, service, unix};

#[test]
fn every_endpoint_is_said_once_and_answers() {
    let stub = Stub::tcp(Script::answer("REJECT no"));
    let dir = TempDir::new().unwrap();
    let socket = unix(&dir);
    let listen = [
        "inet:127.0.0.1:0",
        "inet:127.0.0.1:0",
        "inet:localhost:0",
        &socket,
    ];
    let daemon = Daemon::start(&listen, &["-s", &service(&stub)]);
    assert_eq!(daemon.endpoints.len(), 4, "{:?}", daemon.endpoints);
    assert_ne!(daemon.endpoints[0], daemon.endpoints[1]);
    assert_eq!(daemon.endpoints[3], socket);
    for endpoint in &daemon.endpoints {
        assert!(!endpoint.ends_with(":0"), "{endpoint}");
        assert_eq!(Client::connect(endpoint).ask_about("1"), "REJECT no");
    }
    let log = daemon.stop().out;
    assert_eq!(process::lines(&log, "listening on ").len(), 4);
}

#[test]
fn a_port_that_is_taken_is_an_error_and_its_daemon_goes_on() {
    let stub = Stub::tcp(Script::default());
    let first = Daemon::tcp(&["-s", &service(&stub)]);
    let mut client = first.connect();
    assert_eq!(client.ask_about("1"), "dunno");

    assert_cannot_bind(first.endpoint(), &stub);

    assert_eq!(client.ask_about("2"), "dunno");
    assert_eq!(first.connect().ask_about("3"), "dunno");
    first.stop();
}

/// The system would let sockets with SO_REUSEPORT of two processes of one user share a port.
#[test]
fn a_port_has_one_socket_which_no_other_process_can_join() {
    let stub = Stub::tcp(Script::default());
    for (first, second) in [("1", "1"), ("1", "4"), ("4", "1"), ("4", "4")] {
        let daemon = Daemon::tcp(&["-s", &service(&stub), "--workers", first]);
        let port = daemon.endpoint().rsplit(':').next().unwrap();
        assert_eq!(listening_on(port.parse().unwrap()), 1);
        // As the daemon's own user, with all that lets one share a port.
        let thief = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        thief.set_reuse_port(true).unwrap();
        thief.set_reuse_address(true).unwrap();
        let address: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
        let stolen = thief.bind(&address.into()).and_then(|()| thief.listen(1));
        assert!(stolen.is_err(), "{first}");
        for other in [daemon.endpoint(), &format!("inet:0.0.0.0:{port}")] {
            let args = [
                "--listen",
                other,
                "--allow",
                "127.0.0.1",
                "--workers",
                second,
            ];
            let ended = run(hapolicy(), &[&args[..], &["-s", &service(&stub)]].concat());
            assert_eq!(ended.code, Some(71), "{first} {second}: {ended:?}");
            assert!(ended.err.contains("in use"), "{ended:?}");
        }
        for _ in 0..20 {
            assert_eq!(daemon.connect().ask_about("x"), "dunno");
        }
        daemon.stop();
    }
}

#[test]
fn a_port_that_somebody_else_would_share_is_not_taken() {
    let stub = Stub::tcp(Script::default());
    let other = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    other.set_reuse_port(true).unwrap();
    other
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    other.listen(1).unwrap();
    let address = other.local_addr().unwrap().as_socket().unwrap();
    assert_cannot_bind(&format!("inet:{address}"), &stub);
}

#[test]
fn a_unix_socket_that_is_taken_is_an_error_and_its_daemon_goes_on() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    let first = Daemon::start(&[&unix(&dir)], &["-s", &service(&stub)]);
    let mut client = first.connect();
    assert_eq!(client.ask_about("1"), "dunno");

    assert_cannot_bind(first.endpoint(), &stub);

    assert_eq!(client.ask_about("2"), "dunno");
    assert_eq!(first.connect().ask_about("3"), "dunno");
    first.stop();
}

#[test]
fn what_cannot_be_bound_ends_the_start_with_71() {
    let stub = Stub::tcp(Script::default());
    for listen in [
        // Of the documentation: no machine has it.
        "inet:192.0.2.1:0",
        "inet:name.invalid:0",
        "unix:/nonexistent/policy.sock",
    ] {
        assert_cannot_bind(listen, &stub);
    }
}

#[test]
fn a_worker_that_cannot_start_ends_the_start_with_71() {
    let stub = Stub::tcp(Script::default());
    for descriptors in 8..24 {
        let daemon = format!(
            "ulimit -n {descriptors}; exec {} --listen inet:127.0.0.1:0 --workers 4 -s {}",
            hapolicy(),
            service(&stub)
        );
        let ended = run("/bin/sh", &["-c", &daemon]);
        assert_eq!(ended.code, Some(71), "{descriptors}: {ended:?}");
    }
}

#[test]
fn a_file_in_the_place_of_a_socket_is_left_alone() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    fs::write(path(&dir), "precious").unwrap();
    assert_cannot_bind(&unix(&dir), &stub);
    assert_eq!(fs::read_to_string(path(&dir)).unwrap(), "precious");
}

#[test]
fn an_endpoint_that_cannot_be_bound_leaves_no_socket_of_another_behind() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    let args = [
        "--listen",
        &unix(&dir),
        "--listen",
        "inet:192.0.2.1:0",
        "--allow",
        "192.0.2.0/24",
        "-s",
        &service(&stub),
    ];
    assert_eq!(run(hapolicy(), &args).code, Some(71));
    assert!(!Path::new(&path(&dir)).exists());
}

#[test]
fn the_same_endpoint_twice_is_an_error() {
    let stub = Stub::tcp(Script::default());
    let dir = TempDir::new().unwrap();
    let socket = unix(&dir);
    let args = [
        "--listen",
        &socket,
        "--listen",
        &socket,
        "-s",
        &service(&stub),
    ];
    let said =
        format!("hapolicy: --listen {socket}: that is the address of --listen {socket} already\n");
    for more in [&[][..], &["--check-config", "--quiet"]] {
        let ended = run(hapolicy(), &[&args, more].concat());
        assert_eq!((ended.code, &ended.err), (Some(78), &said), "{more:?}");
        assert!(!Path::new(&path(&dir)).exists());
    }
}

#[test]
fn an_ipv6_address_is_said_in_brackets() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        println!("SKIPPED: no IPv6");
        return;
    }
    let stub = Stub::tcp(Script::default());
    let daemon = Daemon::start(&["inet:[::1]:0"], &["-s", &service(&stub)]);
    assert!(
        daemon.endpoint().starts_with("inet:[::1]:"),
        "{}",
        daemon.endpoint()
    );
    assert_eq!(daemon.connect().ask_about("1"), "dunno");
    daemon.stop();
}

fn assert_cannot_bind(listen: &str, stub: &Stub) {
    let args = ["--listen", listen, "--allow", "192.0.2.0/24"];
    let ended = run(hapolicy(), &[&args[..], &["-s", &service(stub)]].concat());
    assert_eq!(ended.code, Some(71), "{listen}: {ended:?}");
    assert_eq!(ended.err.lines().count(), 1, "{listen}: {ended:?}");
    assert_eq!(ended.out, "", "{listen}");
}

/// How many sockets listen on this port of IPv4, by proc(5).
fn listening_on(port: u16) -> usize {
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X} 00000000:0000 0A ");
    sockets.lines().filter(|line| line.contains(&local)).count()
}
