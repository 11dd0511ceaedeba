//! Runtimes that come and go while an upstream is used.

use std::{
    io::{Read, Write},
    net::TcpListener,
    os::unix::net::UnixListener,
    path::Path,
    thread,
    time::Duration,
};

use policy_net::{BackendConfig, Connector, Endpoint, Retry, Upstream, UpstreamOptions};
use policy_testing::pipe::{request, s};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};

#[test]
fn a_connection_can_be_used_from_another_runtime_while_its_own_runs() {
    let folder = tempfile::tempdir().unwrap();
    for (endpoint, accept) in listening(folder.path()) {
        // It serves a single connection: another one would get no answer.
        thread::spawn(move || answer_all(accept()));
        let upstream = Upstream::new(UpstreamOptions::default(), [service(endpoint)]).unwrap();
        let (first, second) = (several(), runtime());
        ask(&upstream, &first);
        ask(&upstream, &second);
        ask(&upstream, &first);
    }
}

#[test]
fn a_connection_whose_runtime_has_ended_is_not_asked() {
    let folder = tempfile::tempdir().unwrap();
    for (endpoint, accept) in listening(folder.path()) {
        // No second request is read over the first connection, which stays open.
        thread::spawn(move || [(); 2].map(|()| answer_one(accept())));
        let mut options = UpstreamOptions::default();
        options.retry = Retry::Unsent;
        let upstream = Upstream::new(options, [service(endpoint)]).unwrap();
        for _ in 0..2 {
            ask(&upstream, &runtime());
        }
    }
}

/// A server over TCP and one over a UNIX socket, each with how it accepts a connection.
fn listening(folder: &Path) -> [(Endpoint, Accept); 2] {
    let path = folder.join("policy");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(&path).unwrap();
    let port = tcp.local_addr().unwrap().port();
    [
        (
            format!("inet:127.0.0.1:{port}").parse().unwrap(),
            Box::new(move || Box::new(tcp.accept().unwrap().0)),
        ),
        (
            Endpoint::Unix(path),
            Box::new(move || Box::new(unix.accept().unwrap().0)),
        ),
    ]
}

type Accept = Box<dyn Fn() -> Box<dyn Io> + Send>;

trait Io: Read + Write + Send {}

impl<T: Read + Write + Send> Io for T {}

fn service(endpoint: Endpoint) -> BackendConfig<Connector> {
    BackendConfig::new("mx1", Connector::new(endpoint)).timeout(s(60))
}

fn ask(upstream: &Upstream<Connector>, runtime: &Runtime) {
    runtime.block_on(async {
        let request = request("1");
        let answer = upstream.ask(&request);
        let answer = timeout(PATIENT, answer).await.unwrap().unwrap();
        assert_eq!(answer.response.as_str(), Some("DUNNO"));
    });
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// One that runs by itself.
fn several() -> Runtime {
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(1).enable_all().build().unwrap()
}

fn answer_all(mut client: Box<dyn Io>) {
    let mut read = [0; 4096];
    // The requests are small: each comes whole.
    while matches!(client.read(&mut read), Ok(1..)) {
        client.write_all(b"action=DUNNO\n\n").unwrap();
    }
}

fn answer_one(mut client: Box<dyn Io>) -> Box<dyn Io> {
    assert!(client.read(&mut [0; 4096]).unwrap() > 0);
    client.write_all(b"action=DUNNO\n\n").unwrap();
    client
}

const PATIENT: Duration = Duration::from_secs(60);
