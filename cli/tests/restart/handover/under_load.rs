//! Restarts while clients ask all the time.

use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
    time::Duration,
};

use policy_testing::{
    World,
    process::{self, Daemon, Manager, Postfix, request},
    stub::{Reply, Script, Stub},
};
use tempfile::TempDir;

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
        assert_eq!(process::warnings(&log.out), [""; 0]);
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
            assert_eq!(process::warnings(&log), [""; 0]);
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
