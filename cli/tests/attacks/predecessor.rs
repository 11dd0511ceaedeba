//! A daemon before this one that hands over what it should not.

use std::{
    fs,
    net::{TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::{UnixDatagram, UnixListener},
    },
    thread,
};

use socket2::Socket;

use crate::{
    handover_talk::{Predecessor, receive, send},
    process::{Client, Process, is_root},
    world::World,
};

#[test]
fn what_is_not_the_socket_that_was_asked_for_is_not_taken_and_the_daemon_binds_its_own() {
    let world = World::new();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    let own_port = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let (inet, unix) = (format!("inet:127.0.0.1:{own_port}"), world.unix());
    let (inet, unix) = (inet.as_str(), unix.as_str());
    let connected = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut number = 0;
    let mut path = || {
        number += 1;
        world.path(&format!("{number}.sock"))
    };
    let not_listening = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let traps: Vec<(&str, &str, OwnedFd)> = vec![
        ("a listener at another port", inet, elsewhere.into()),
        (
            "a UDP socket",
            inet,
            UdpSocket::bind(("127.0.0.1", own_port)).unwrap().into(),
        ),
        ("a connection", inet, connected.into()),
        ("a socket that does not listen", inet, not_listening.into()),
        (
            "a UNIX socket for a TCP one",
            inet,
            UnixListener::bind(path()).unwrap().into(),
        ),
        ("a file", inet, fs::File::open("/dev/null").unwrap().into()),
        (
            "a UNIX socket elsewhere",
            unix,
            UnixListener::bind(path()).unwrap().into(),
        ),
        (
            "datagrams",
            unix,
            UnixDatagram::bind(path()).unwrap().into(),
        ),
        (
            "a stream for calls",
            "handover",
            UnixListener::bind(path()).unwrap().into(),
        ),
    ];
    for (what, name, socket) in traps {
        let handed = vec![(format!("listen {name}").into_bytes(), Socket::from(socket))];
        let before = Predecessor::at(&world.path("handover.sock")).hand_over(handed);
        let listen = match name {
            "handover" => "inet:127.0.0.1:0",
            name => name,
        };
        let daemon = world.start(&[listen], &[]);
        assert!(
            before.join().unwrap().is_none(),
            "{what}: it is not relied on"
        );
        let told = daemon
            .process
            .out
            .lines("no handover from the daemon before");
        assert_eq!(told.len(), 1, "{what}");
        assert_eq!(
            Client::connect(&daemon.endpoints[0]).ask_about("x"),
            "dunno",
            "{what}"
        );
        daemon.stop();
    }
}

/// In a mount namespace of its own a path leads where the predecessor wants.
#[test]
fn a_socket_is_not_taken_whose_path_leads_to_another_one() {
    let world = World::new();
    let handed = UnixListener::bind(world.path("policy.sock")).unwrap();
    fs::remove_file(world.path("policy.sock")).unwrap();
    // Somebody else's, who serves those who come.
    let script = "socket(S, AF_UNIX, SOCK_STREAM, 0) or die $!; bind(S, sockaddr_un($ARGV[0])) or die $!; \
        listen(S, 5) or die $!; $| = 1; print qq(ready\\n); sleep 60";
    let path = world.path("policy.sock");
    let words = ["-MSocket", "-e", script, path.to_str().unwrap()];
    let other = Process::start("perl", &words);
    assert!(other.out.wait_lines(1, "ready"));
    let name = format!("listen {}", world.unix());
    let handed = vec![(name.into_bytes(), Socket::from(OwnedFd::from(handed)))];
    let before = Predecessor::at(&world.path("handover.sock")).hand_over(handed);
    let ended = world.try_start(&["--listen", &world.unix()]).end();
    assert_eq!(ended.code, Some(71), "{ended:?}");
    assert!(ended.err.contains("not the socket"), "{ended:?}");
    assert!(before.join().unwrap().is_none(), "it has not taken over");
}

#[test]
fn a_flood_of_sockets_costs_the_daemon_no_memory() {
    let world = World::new();
    let before = Predecessor::at(&world.path("handover.sock"));
    let sent = thread::spawn(move || {
        let (connection, _) = before.calls.accept().unwrap();
        assert_eq!(receive(&connection).unwrap().0, b"sockets");
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = format!("listen {}", "x".repeat(1000));
        // Bounded; the other one has gone long before.
        (0..1_000_000)
            .take_while(|_| send(&connection, text.as_bytes(), &[socket.as_fd()]).is_ok())
            .count()
    });
    let daemon = world.start(&["inet:127.0.0.1:0"], &[]);
    assert!(sent.join().unwrap() < 10_000, "it was told to go");
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.process.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: usize = peak
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    assert!(peak < 64 * 1024, "{peak} kB");
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    daemon.stop();
}

/// More of them than there are places for clients.
#[test]
fn a_flood_of_connections_is_taken_no_faster_than_it_is_served() {
    let world = World::new();
    let before = Predecessor::at(&world.path("handover.sock")).hand_over(Vec::new());
    let daemon = world.start(&["inet:127.0.0.1:0"], &["--max-clients", "50"]);
    let before = before.join().unwrap().expect("it is ready");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let many = [connection.as_fd(); 100];
    before
        .set_write_timeout(Some(crate::process::PATIENCE))
        .unwrap();
    for _ in 0..2000 {
        send(&before, b"clients", &many).unwrap();
    }
    drop(before);
    let open = || {
        fs::read_dir(format!("/proc/{}/fd", daemon.process.id()))
            .unwrap()
            .count()
    };
    assert!(open() < 2000, "{} descriptors", open());
    drop((connection, listener));
    daemon.stop();
}

/// Whoever is not root may not be root's predecessor.
#[test]
fn root_takes_nothing_from_a_daemon_of_another_user() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let path = world.path("handover.sock");
    let script = "socket(S, AF_UNIX, SOCK_SEQPACKET, 0) or die $!; \
        bind(S, sockaddr_un($ARGV[0])) or die $!; chmod 0777, $ARGV[0]; \
        $> = $< = 31337; listen(S, 5) or die $!; $| = 1; print qq(ready\\n); \
        accept(C, S) or die $!; recv(C, $said, 100, 0); print qq(heard '$said'\\n)";
    let words = ["-MSocket", "-e", script, path.to_str().unwrap()];
    let stranger = Process::start("perl", &words);
    assert!(stranger.out.wait_lines(1, "ready"));
    let daemon = world.start(&["inet:127.0.0.1:0"], &[]);
    let told = daemon
        .process
        .out
        .lines("no handover from the daemon before");
    assert!(told[0].contains("of user 31337 may not"), "{told:?}");
    assert_eq!(stranger.end().out, "ready\nheard ''\n");
    assert_eq!(daemon.connect().ask_about("x"), "dunno");
    daemon.stop();
}
