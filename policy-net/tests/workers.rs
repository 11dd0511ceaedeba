//! What threads with a runtime each share.

mod support;

use std::{
    io::{Read, Write},
    net::TcpListener,
    os::unix::net::UnixListener,
    thread,
    time::Duration,
};

use policy_ha::{Backend, Preference};
use policy_net::{Connector, Endpoint, Retry, Service, Upstream, UpstreamOptions};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};

use support::{request, s};

#[test]
fn a_connection_can_be_used_when_the_runtime_that_opened_it_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy");
    let (tcp, unix) = (
        TcpListener::bind("127.0.0.1:0").unwrap(),
        UnixListener::bind(&path).unwrap(),
    );
    let port = tcp.local_addr().unwrap().port();
    let inet: Endpoint = format!("inet:127.0.0.1:{port}").parse().unwrap();
    // Each serves a single connection: another one would get no answer.
    thread::spawn(move || answer_all(tcp.accept().unwrap().0));
    thread::spawn(move || answer_all(unix.accept().unwrap().0));

    for endpoint in [inet, Endpoint::Unix(path)] {
        let service = Service {
            connect: Connector::new(endpoint),
            backend: Backend::default(),
            timeout: s(60),
        };
        let first = Upstream::new(UpstreamOptions::default(), [service]).unwrap();
        let second = first.for_worker(1);
        let runtimes = [runtime(), runtime()];
        for (upstream, runtime) in [(&first, 0), (&second, 1), (&second, 1), (&first, 0)] {
            runtimes[runtime].block_on(async {
                let request = request("1");
                let answer = upstream.ask(&request, Preference::None, |_| {});
                let answer = timeout(PATIENT, answer).await.unwrap().unwrap();
                assert_eq!(answer.response.as_str(), Some("DUNNO"));
            });
        }
    }
}

#[test]
fn a_connection_whose_runtime_has_ended_is_not_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy");
    let (tcp, unix) = (
        TcpListener::bind("127.0.0.1:0").unwrap(),
        UnixListener::bind(&path).unwrap(),
    );
    let port = tcp.local_addr().unwrap().port();
    let inet: Endpoint = format!("inet:127.0.0.1:{port}").parse().unwrap();
    // Neither reads a second request over the first connection, which stays open.
    thread::spawn(move || [(); 2].map(|()| answer_one(tcp.accept().unwrap().0)));
    thread::spawn(move || [(); 2].map(|()| answer_one(unix.accept().unwrap().0)));

    for endpoint in [inet, Endpoint::Unix(path)] {
        let service = Service {
            connect: Connector::new(endpoint),
            backend: Backend::default(),
            timeout: s(60),
        };
        let mut options = UpstreamOptions::default();
        options.retry = Retry::Unsent;
        let upstream = Upstream::new(options, [service]).unwrap();
        for _ in 0..2 {
            runtime().block_on(async {
                let request = request("1");
                let answer = upstream.ask(&request, Preference::None, |_| {});
                let answer = timeout(PATIENT, answer).await.unwrap().unwrap();
                assert_eq!(answer.response.as_str(), Some("DUNNO"));
            });
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn answer_all(mut client: impl Read + Write) {
    let mut read = [0; 4096];
    // The requests are small: each comes whole.
    while matches!(client.read(&mut read), Ok(1..)) {
        client.write_all(b"action=DUNNO\n\n").unwrap();
    }
}

fn answer_one<S: Read + Write>(mut client: S) -> S {
    assert!(client.read(&mut [0; 4096]).unwrap() > 0);
    client.write_all(b"action=DUNNO\n\n").unwrap();
    client
}

const PATIENT: Duration = Duration::from_secs(60);
