//! A daemon before this one that hands over what it should not.

use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::{UnixDatagram, UnixListener},
    },
    thread,
};

use policy_testing::{
    World, free_port,
    handover::{Predecessor, accept, receive, send},
    process::{Client, PATIENCE, Process, is_root},
};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::attacker::{holding, lingering, socket_of_attacker};

#[test]
fn what_is_not_the_socket_that_was_asked_for_is_not_taken_and_the_daemon_binds_its_own() {
    let world = World::new();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    let own_port = free_port();
    let (inet, unix) = (format!("inet:127.0.0.1:{own_port}"), world.unix());
    let (inet, unix) = (inet.as_str(), unix.as_str());
    let connected = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut number = 0;
    let mut path = || {
        number += 1;
        world.path(&format!("{number}.sock"))
    };
    let not_listening = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
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

/// Who has taken over a daemon makes namespaces of its own, in which a path or a port is free.
#[test]
fn a_socket_that_neither_root_nor_the_starter_has_made_is_not_taken_whatever_is_said_of_it() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let (path, unix) = (world.path("policy.sock"), world.unix());
    for word in ["listen", "keep"] {
        let theirs = socket_of_attacker(Domain::UNIX, Type::STREAM);
        theirs.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        theirs.listen(5).unwrap();
        fs::remove_file(&path).unwrap();
        let handed = vec![(format!("{word} {unix}").into_bytes(), theirs)];
        let before = Predecessor::at(&world.path("handover.sock")).hand_over(handed);
        let daemon = world.start(&[&unix], &[]);
        assert!(before.join().unwrap().is_none(), "{word}");
        let told = "no handover from the daemon before: its socket for unix:";
        assert_eq!(daemon.process.out.lines(told).len(), 1, "{word}");
        assert_eq!(daemon.connect().ask_about("x"), "dunno", "{word}");
        daemon.stop();
    }
    // It is its own that any process of its user could join.
    let theirs = socket_of_attacker(Domain::IPV4, Type::STREAM);
    theirs
        .bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    theirs.listen(5).unwrap();
    let port = theirs.local_addr().unwrap().as_socket().unwrap().port();
    let inet = format!("inet:127.0.0.1:{port}");
    let handed = vec![(format!("listen {inet}").into_bytes(), theirs)];
    let before = Predecessor::at(&world.path("handover.sock")).hand_over(handed);
    let ended = world.try_start(&["--listen", &inet]).end();
    assert_eq!(ended.code, Some(71), "the port is taken: {ended:?}");
    assert!(before.join().unwrap().is_none());
}

#[test]
fn what_is_refused_does_not_hold_up_the_start() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let unix = world.unix();
    for (name, kind, is_relied_on) in [
        (format!("listen {unix}"), Type::STREAM, false),
        // Nobody has asked for it.
        ("listen inet:192.0.2.1:1".to_owned(), Type::STREAM, true),
        ("nonsense".to_owned(), Type::DGRAM, false),
        ("earlier".to_owned(), Type::STREAM, false),
    ] {
        let (socket, kept) = holding(kind);
        let handed = vec![(name.clone().into_bytes(), socket.into())];
        let before = Predecessor::at(&world.path("handover.sock")).hand_over(handed);
        let daemon = world.start(&[&unix], &[]);
        assert_eq!(daemon.connect().ask_about("x"), "dunno", "{name}");
        // Else this process may be the last one to close it.
        drop(kept);
        assert_eq!(before.join().unwrap().is_some(), is_relied_on, "{name}");
        daemon.stop();
    }
}

#[test]
fn what_is_passed_on_as_a_client_and_is_none_is_refused_and_holds_up_no_handover() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let before = Predecessor::at(&world.path("handover.sock")).hand_over(Vec::new());
    let daemon = world.start(&["inet:127.0.0.1:0"], &[]);
    let before = before.join().unwrap().expect("it is ready");
    let (datagrams, kept) = holding(Type::DGRAM);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.connect("127.0.0.1:1").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    let all = [
        datagrams.as_fd(),
        udp.as_fd(),
        listener.as_fd(),
        far.as_fd(),
    ];
    send(&before, b"clients", &all).unwrap();
    drop(far);
    let closing = thread::spawn(|| drop(datagrams));
    let told = "the daemon before has passed on 3 descriptors that are no clients: closed";
    assert!(daemon.process.out.wait_lines(1, told));
    let mut client = Client::of(near);
    assert_eq!(client.ask_about("x"), "dunno");
    let next = world.start(&["inet:127.0.0.1:0"], &[]);
    daemon.ended_well();
    assert_eq!(client.ask_about("x"), "dunno");
    drop(kept);
    closing.join().unwrap();
    next.stop();
}

#[test]
fn a_client_whose_socket_is_made_to_wait_holds_up_no_other() {
    let world = World::new();
    let before = Predecessor::at(&world.path("handover.sock")).hand_over(Vec::new());
    let daemon = world.start(&["inet:127.0.0.1:0"], &["--workers", "1"]);
    let before = before.join().unwrap().expect("it is ready");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    send(&before, b"clients", &[far.as_fd()]).unwrap();
    let mut client = Client::of(near.try_clone().unwrap());
    assert_eq!(client.ask_about("x"), "dunno");
    // The daemon before still has it.
    far.set_nonblocking(false).unwrap();
    // As much as is read at a time: there may be more.
    let begun = [b"sender=", &[b'a'; 5 * 1024 - 7][..]].concat();
    (&near).write_all(&begun).unwrap();
    assert_eq!(daemon.connect().ask_about("y"), "dunno");
    assert_eq!(daemon.connect().ask_about("z"), "dunno");
    // An unfinished request would be waited for.
    drop((client, near, far));
    daemon.stop();
}

#[test]
fn what_lies_unread_in_a_connection_to_a_daemon_before_holds_up_no_handover() {
    let world = World::new();
    let (near, far) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    let (client, _kept) = lingering();
    send(&far, b"nonsense", &[]).unwrap();
    send(&far, b"clients", &[client.as_fd()]).unwrap();
    drop(client);
    let handed = vec![(b"earlier".to_vec(), near)];
    let before = Predecessor::at(&world.path("handover.sock")).hand_over(handed);
    let daemon = world.start(&["inet:127.0.0.1:0"], &[]);
    let before = before.join().unwrap().expect("it is ready");
    let next = world.start(&["inet:127.0.0.1:0"], &[]);
    daemon.ended_well();
    drop(before);
    next.stop();
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
        let connection = accept(&before.calls);
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
    for few in [None, Some(1024)] {
        let world = World::new();
        let before = Predecessor::at(&world.path("handover.sock")).hand_over(Vec::new());
        let daemon = world.start(&["inet:127.0.0.1:0"], &["--max-clients", "50"]);
        if few.is_some() {
            let limit = Rlimit {
                current: few,
                maximum: few,
            };
            let process = Pid::from_raw(daemon.process.id().cast_signed());
            prlimit(process, Resource::Nofile, limit).unwrap();
        }
        let before = before.join().unwrap().expect("it is ready");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let many = [connection.as_fd(); 100];
        before.set_write_timeout(Some(PATIENCE)).unwrap();
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
}

/// A process of another user may not be root's predecessor.
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
