//! Many clients, few connections to the policy servers: a prefork server, or one with a short queue, is
//! not overrun.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use policy_testing::{
    process::{Client, Daemon, lines, request, warnings},
    stub::{Reply, Script, Stub},
};
use socket2::{Domain, Socket, Type};

#[test]
fn many_clients_share_as_many_connections_as_there_are_requests_under_way() {
    let stub = Stub::tcp(Script::reply(Reply::Call(echo)).after(Duration::from_millis(2)));
    let service = format!("a={}", stub.address());
    let daemon = Daemon::tcp(&["-s", &service, "-d", "default", "--workers", "2"]);
    let mut clients: Vec<Client> = (0..150).map(|_| daemon.connect()).collect();
    // Each thread has one request under way, and another client ask each time.
    thread::scope(|scope| {
        for (thread, clients) in clients.chunks_mut(150 / AT_ONCE).enumerate() {
            scope.spawn(move || {
                for round in 0..5 {
                    for (number, client) in clients.iter_mut().enumerate() {
                        let mark = format!("{thread}.{number}.{round}");
                        assert_eq!(client.ask(&request(&[("sender", &mark)])), mark);
                    }
                }
            });
        }
    });
    // All that it ever had: one is opened only if all the others of its worker are in use, and then it is kept.
    let connections = stub.connections();
    assert!((2..=2 * AT_ONCE).contains(&connections), "{connections}");
    daemon.stop();
}

#[test]
fn a_server_never_has_more_connections_than_were_granted_and_answers_all_the_same() {
    for (args, most) in [(&["--max-connections", "45"][..], 45), (&[], 100)] {
        let stub = Stub::tcp(Script::reply(Reply::Call(echo)).held());
        // Who waits for a connection does so as long as an attempt may last.
        let service = format!("a={}:::60", stub.address());
        // With one worker none is closed for another.
        let one = ["-s", &service, "-d", "default", "--workers", "1"];
        let daemon = Daemon::tcp(&[&one, args].concat());
        let mut clients: Vec<Client> = (0..200).map(|_| daemon.connect()).collect();
        for (number, client) in clients.iter().enumerate() {
            client.send(&request(&[("sender", &number.to_string())]));
        }
        assert!(stub.wait_requests(most), "{}", stub.requests().len());
        stub.release();
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.action(), number.to_string());
        }
        assert_eq!(stub.connections(), most, "in all");
        let log = daemon.stop().out;
        assert_eq!(warnings(&log), [""; 0]);
    }
}

#[test]
fn a_service_whose_connections_are_all_in_use_is_passed_over_without_blame() {
    let full = Stub::tcp(Script::reply(Reply::Call(echo)).held());
    let next = Stub::tcp(Script::reply(Reply::Call(echo)));
    let services = [
        format!("full={}:1::60", full.address()),
        format!("next={}:2", next.address()),
    ];
    let args = ["-s", &services[0], "-s", &services[1], "-d", "default"];
    let daemon = Daemon::tcp(&[&args[..], &["--max-connections", "3"]].concat());
    let mut clients: Vec<Client> = (0..10).map(|_| daemon.connect()).collect();
    for (number, client) in clients.iter().enumerate() {
        client.send(&request(&[("sender", &number.to_string())]));
    }
    assert!(next.wait_requests(7), "who has waited long enough");
    full.release();
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.action(), number.to_string());
    }
    assert_eq!(clients[0].ask(&request(&[("sender", "again")])), "again");
    assert_eq!((full.requests().len(), next.requests().len()), (4, 7));
    let log = daemon.stop().out;
    assert!(!lines(&log, "All connections are in use for 'full'").is_empty());
    assert_eq!(lines(&log, "is down"), [""; 0]);
}

/// The queue of such a server takes one connection more than it has asked for. What comes then is lost,
/// and TCP repeats it after a second.
#[test]
fn the_queue_of_a_server_that_is_slow_to_accept_does_not_overflow() {
    let begin = Instant::now();
    let most = loop {
        match most_waiting() {
            Some(most) => break most,
            None => assert!(begin.elapsed() < PATIENCE, "the machine stands still"),
        }
    };
    assert!(most <= BACKLOG, "{most} connections waited at a time");
}

/// How many connections waited at a time for a server that accepts all that wait, sleeps, and answers
/// only once it has one for each of the requests. `None` if it slept for so long that the daemon could
/// take them for accepted.
fn most_waiting() -> Option<usize> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    let bound = socket.bind(&any.into());
    bound
        .and_then(|()| socket.listen(BACKLOG as i32))
        .expect("a listener");
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(true).expect("a socket");
    let service = format!("a={}:::60", listener.local_addr().expect("it is bound"));
    let daemon = Daemon::tcp(&["-s", &service, "-d", "default", "--workers", "2"]);
    let mut clients: Vec<Client> = (0..REQUESTS).map(|_| daemon.connect()).collect();
    let (mut most, mut slept, mut begin) = (0, Duration::ZERO, Instant::now());
    for (number, client) in clients.iter().enumerate() {
        client.send(&request(&[("sender", &number.to_string())]));
    }

    let mut accepted = Vec::new();
    while accepted.len() < REQUESTS {
        assert!(begin.elapsed() < PATIENCE, "{} came", accepted.len());
        thread::sleep(ACCEPTED / 2);
        let before = accepted.len();
        accepted.extend(waiting(&listener));
        most = most.max(accepted.len() - before);
        slept = slept.max(begin.elapsed());
        begin = Instant::now();
    }
    thread::scope(|scope| {
        for stream in &accepted {
            scope.spawn(|| answer(stream));
        }
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.action(), number.to_string());
        }
        daemon.stop();
    });
    (slept < ACCEPTED).then_some(most)
}

fn waiting(listener: &TcpListener) -> Vec<TcpStream> {
    let accept = || match listener.accept() {
        Ok((stream, _)) => Some(stream),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    };
    std::iter::from_fn(accept).collect()
}

/// Answers requests until the daemon closes the connection.
fn answer(mut stream: &TcpStream) {
    let mut buffer = [0; 4096];
    loop {
        // Each is as short as one write.
        match stream.read(&mut buffer).expect("it is open") {
            0 => return,
            count => stream
                .write_all(&echo(&buffer[..count]))
                .expect("it is open"),
        }
    }
}

/// Answers with the request's sender.
fn echo(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let mark = text.lines().find_map(|line| line.strip_prefix("sender="));
    format!("action={}\n\n", mark.unwrap_or_default()).into_bytes()
}

/// Threads, each with one request under way.
const AT_ONCE: usize = 6;
const REQUESTS: usize = 40;
/// What the simplest servers ask for.
const BACKLOG: usize = 5;
/// When the daemon takes a connection for accepted.
const ACCEPTED: Duration = Duration::from_millis(20);
/// Bounds a failure.
const PATIENCE: Duration = Duration::from_secs(60);
