//! A daemon forwards a request without an allocation once it has warmed up: its loop, the message's
//! server, the counters of the services and the sockets of both sides included.

use std::{cell::Cell, future::pending, path::Path, sync::Arc, time::Duration};

use hapolicy::{Affinity, ClientLimits, DefaultAction, Journal, Log, Proxy, Service};
use policy_net::{Connector, MemoryBudget, Upstream, UpstreamOptions};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    runtime,
};

/// What Postfix sends about one message, at its stages.
const REQUESTS: [&[u8]; 3] = [
    include_bytes!("../../policy-proto/tests/data/009-mail-tls.req"),
    include_bytes!("../../policy-proto/tests/data/010-rcpt-tls.req"),
    include_bytes!("../../policy-proto/tests/data/013-data-tls.req"),
];
const ANSWER: &[u8] = b"action=DUNNO\n\n";
const CONNECTIONS: usize = 8;

#[test]
fn a_request_that_a_daemon_forwards_allocates_nothing() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let _entered = runtime.enter();
    let dir = TempDir::new().expect("a directory");
    let services = ["a", "b"].map(|name| policy_server(name, &dir.path().join(name)));
    let proxy = Arc::new(daemon(services.to_vec()));
    let mut clients: Vec<UnixStream> = (0..CONNECTIONS).map(|_| client(&proxy)).collect();

    let mut ask = |round: usize| {
        runtime.block_on(async {
            // Each is at another stage, and all requests are under way at once.
            for (number, client) in clients.iter_mut().enumerate() {
                let request = REQUESTS[(round + number) % REQUESTS.len()];
                client.write_all(request).await.expect("it is read");
            }
            for client in &mut clients {
                let mut answer = [0; ANSWER.len()];
                client.read_exact(&mut answer).await.expect("an answer");
                assert_eq!(answer, ANSWER);
            }
        });
    };
    (0..10).for_each(&mut ask);
    let mut rounds = 10..2000;
    let mut counted = || {
        let before = OPENED.get();
        let counted = allocation_counter::measure(|| ask(rounds.next().expect("steady by then")));
        // Opening a connection is what it may cost more: when a server has more requests at once than
        // it ever had before.
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
fn policy_server(name: &str, path: &Path) -> Service {
    let listener = UnixListener::bind(path).expect("a free path");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            OPENED.set(OPENED.get() + 1);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // A request is one write.
                while stream.read(&mut request).await.is_ok_and(|count| count > 0) {
                    stream.write_all(ANSWER).await.expect("it is read");
                }
            });
        }
    });
    let text = format!("{name}=unix:{}", path.display());
    Service::parse(text.as_bytes(), Duration::from_secs(10)).expect("a service")
}

/// What a daemon has by default: no line for a request, counters for each service, the same server for
/// a message, limits for clients.
fn daemon(services: Vec<Service>) -> Proxy {
    let members = services.iter().map(|service| policy_net::Service {
        connect: Connector::new(service.endpoint.clone()),
        backend: service.backend,
        timeout: service.timeout,
        accepts: None,
    });
    let memory = MemoryBudget::new(ClientLimits::default().max_memory);
    let mut options = UpstreamOptions::default();
    options.pool.memory = Some(memory.clone());
    let upstream = Upstream::new(options, members).expect("two services");
    let journal = Journal::new(Log::syslog(), services).for_daemon(hapolicy::LogFormat::default());
    let mut proxy = Proxy::new(Some(upstream), DefaultAction::default(), journal);
    proxy.affinity = Affinity::Message;
    let terms = Arc::make_mut(&mut proxy.terms);
    terms.patience = ClientLimits::default().patience();
    terms.memory = Some(memory);
    proxy
}

/// A client's end of a connection that is served.
fn client(proxy: &Arc<Proxy>) -> UnixStream {
    let (near, far) = UnixStream::pair().expect("two sockets");
    tokio::spawn(Arc::clone(proxy).serve(far, pending()));
    near
}
