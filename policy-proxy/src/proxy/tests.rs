//! An event loop in a test: what it does for requests, and that it allocates nothing for them.

use std::{
    cell::Cell,
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::Arc,
    time::Duration,
};

use policy_daemon::log::{Log, Suppressor};

use crate::{
    options::{Options, Services},
    proxy::{EventLoop, Proxy, message::Context},
    setup,
};

/// The proxy of a daemon with these services; its log waits to be taken.
pub(crate) fn proxy(services: &[&str]) -> (Arc<Proxy>, Log) {
    let options = Options {
        is_daemon: true,
        services: services.iter().map(Into::into).collect(),
        ..Options::default()
    };
    let services = Services::parse(&options);
    let log = Log::buffered();
    let journal = setup::journal(&services, log.clone(), &options);
    let suppressor = Arc::new(Suppressor::new(log.clone()));
    let journal = journal.for_daemon(options.log.format, suppressor);
    (
        Arc::new(setup::proxy(&services, &options, journal, 1, 100)),
        log,
    )
}

/// A daemon of one worker, on the thread of the test.
pub(crate) struct Worker {
    event_loop: EventLoop,
}

impl Worker {
    pub(crate) fn new(proxy: &Arc<Proxy>) -> Self {
        let context = Context::alone(proxy.journal.log().clone(), 100).unwrap();
        let event_loop = EventLoop::new(context, proxy, None).unwrap();
        Self { event_loop }
    }

    /// A client that is served.
    pub(crate) fn client(&mut self) -> UnixStream {
        let (near, far) = UnixStream::pair().unwrap();
        for socket in [&near, &far] {
            socket.set_nonblocking(true).unwrap();
        }
        self.event_loop.context.take(far.into());
        self.turn();
        near
    }

    pub(crate) fn turn(&mut self) {
        self.event_loop.turn(Some(Duration::ZERO)).unwrap();
    }

    /// Waits until a client has this reply.
    pub(crate) fn reply(&mut self, client: &mut UnixStream, reply: &[u8]) {
        let mut read = [0; 64];
        let mut length = 0;
        while length < reply.len() {
            match client.read(&mut read[length..]) {
                Ok(0) => panic!("it is closed"),
                Ok(count) => length += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.turn(),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(&read[..length], reply);
    }
}

/// The requests of Postfix about one message, at its stages.
const REQUESTS: [&[u8]; 3] = [
    include_bytes!("../../../policy-proto/tests/data/009-mail-tls.req"),
    include_bytes!("../../../policy-proto/tests/data/010-rcpt-tls.req"),
    include_bytes!("../../../policy-proto/tests/data/013-data-tls.req"),
];
const ANSWER: &[u8] = b"action=DUNNO\n\n";
const CONNECTIONS: usize = 8;

/// Once it has warmed up: the loop, the message's service, the counters of the services and the sockets of both sides
/// included.
#[test]
fn a_request_that_a_daemon_forwards_allocates_nothing() {
    // The file of a UNIX socket would be looked at once a second.
    let servers = [(); 2].map(|()| Server::new());
    let address = |server: &Server| server.listener.local_addr().unwrap();
    let services = [("a", &servers[0]), ("b", &servers[1])];
    let services = services.map(|(name, server)| format!("{name}={}", address(server)));
    let (proxy, _) = proxy(&[&services[0], &services[1]]);
    let mut worker = Worker::new(&proxy);
    let mut clients: Vec<UnixStream> = (0..CONNECTIONS).map(|_| worker.client()).collect();
    let mut servers = servers;

    let mut ask = |round: usize| {
        // Each is at another stage, and all requests are under way at once.
        for (number, client) in clients.iter_mut().enumerate() {
            let request = REQUESTS[(round + number) % REQUESTS.len()];
            client.write_all(request).unwrap();
        }
        let mut replies = 0;
        while replies < CONNECTIONS {
            worker.turn();
            servers.iter_mut().for_each(Server::turn);
            for client in &mut clients {
                let mut reply = [0; ANSWER.len()];
                if client.read_exact(&mut reply).is_ok() {
                    assert_eq!(reply, ANSWER);
                    replies += 1;
                }
            }
        }
    };
    // The answers of 64 rounds fill a block of memory: the second one finds a place in the list of blocks.
    (0..100).for_each(&mut ask);
    let mut rounds = 100..2000;
    let mut counted = || {
        let before = OPENED.get();
        let counted = allocation_counter::measure(|| ask(rounds.next().expect("steady by then")));
        // Opening a connection is what it may cost more: when a server has more requests at once than it ever had
        // before.
        (OPENED.get() == before).then_some(counted.count_total)
    };
    let steady = std::iter::from_fn(|| Some(counted())).flatten().take(1000);
    assert_eq!(steady.sum::<u64>(), 0);
}

thread_local! {
    /// Connections that the servers have accepted.
    static OPENED: Cell<usize> = const { Cell::new(0) };
}

/// One that answers without an allocation of its own.
struct Server {
    listener: TcpListener,
    connections: Vec<TcpStream>,
}

impl Server {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            listener,
            connections: Vec::new(),
        }
    }

    /// Answers what has come.
    fn turn(&mut self) {
        while let Ok((connection, _)) = self.listener.accept() {
            OPENED.set(OPENED.get() + 1);
            connection.set_nonblocking(true).unwrap();
            self.connections.push(connection);
        }
        let mut request = [0; 4096];
        for connection in &mut self.connections {
            // A request is one write.
            if connection.read(&mut request).is_ok_and(|count| count > 0) {
                connection.write_all(ANSWER).unwrap();
            }
        }
    }
}
