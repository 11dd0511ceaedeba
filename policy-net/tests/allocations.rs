//! A request that is forwarded in steady state allocates nothing, neither here nor in the runtime.

use std::{future::pending, io};

use policy_net::{
    Address, BackendConfig, Clients, Connect, Connection, Drain, Peer, ServeOptions, Upstream,
    UpstreamOptions, serve_connection,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime,
};

const REQUEST: &[u8] =
    b"request=smtpd_access_policy\nprotocol_state=RCPT\nsender=a@example.com\ninstance=1.2\n\n";
const ANSWER: &[u8] = b"action=DUNNO\n\n";

/// Policy servers behind pipes, which answer without an allocation of theirs.
#[derive(Debug)]
struct Pipes;

impl Connect for Pipes {
    type Io = DuplexStream;

    async fn connect_to(&self, _: Address) -> io::Result<DuplexStream> {
        let (near, mut far) = duplex(4096);
        tokio::spawn(async move {
            let mut request = [0; REQUEST.len()];
            while far.read_exact(&mut request).await.is_ok() {
                far.write_all(ANSWER).await.expect("it is read");
            }
        });
        Ok(near)
    }
}

#[test]
fn a_forwarded_request_allocates_nothing() {
    assert_eq!(allocations_of(1, UpstreamOptions::default()), 0);
}

#[test]
fn a_request_that_waits_for_a_place_allocates_nothing_either() {
    let mut options = UpstreamOptions::default();
    options.max_connections = 1;
    assert_eq!(allocations_of(5, options), 0);
}

#[test]
fn a_request_that_a_handler_has_forwarded_allocates_nothing() {
    let serve = |server, clients, upstream: Upstream<Pipes>| async move {
        let (session, peer) = (upstream.session(), Peer::default());
        let served = serve_connection(server, &session, clients, &peer, pending()).await;
        served.expect("the client ends the connection");
    };
    assert_eq!(allocations(3, UpstreamOptions::default(), serve), 0);
}

/// The same without a handler.
fn allocations_of(clients: usize, options: UpstreamOptions) -> u64 {
    allocations(clients, options, forward)
}

/// How often memory is asked for while so many clients have a thousand requests each forwarded.
fn allocations<F: Future<Output = ()> + Send + 'static>(
    clients: usize,
    mut options: UpstreamOptions,
    serve: impl Fn(DuplexStream, Clients, Upstream<Pipes>) -> F,
) -> u64 {
    options.memory = Some(1 << 20);
    // On a clock that stands still: a timer that rings, once a second at most, is no request's.
    let runtime = runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let service = |name: &str| BackendConfig::new(name, Pipes);
    let upstream =
        Upstream::new(options, [service("mx1"), service("mx2")]).expect("two services are fine");
    let mut options = ServeOptions::default();
    options.clients.lenient = true;
    options.clients.memory = Some(1 << 20);
    let all = Clients::new(options);
    let clients = (0..clients).map(|_| {
        let (client, server) = duplex(4096);
        runtime.spawn(serve(server, all.clone(), upstream.clone()));
        client
    });
    let mut clients: Vec<DuplexStream> = clients.collect();

    let mut ask = |times: usize| {
        runtime.block_on(async {
            let mut answer = [0; ANSWER.len()];
            for _ in 0..times {
                for client in &mut clients {
                    client.write_all(REQUEST).await.expect("it is read");
                }
                for client in &mut clients {
                    client.read_exact(&mut answer).await.expect("an answer");
                    assert_eq!(answer, ANSWER);
                }
            }
        });
    };
    // Until each block of memory has been used once.
    ask(1500);
    allocation_counter::measure(|| ask(1000)).count_total
}

async fn forward(server: DuplexStream, clients: Clients, upstream: Upstream<Pipes>) {
    let drain = Drain::default();
    let mut connection = Connection::new(server, clients);
    while let Ok(Some(request)) = connection.request(drain.begun()).await {
        let answer = tokio::select! {
            biased;
            answer = upstream.ask(&request) => answer,
            () = connection.gone() => return,
        };
        drop(request);
        let response = answer.expect("an answer").response;
        connection.reply(&response).await.expect("it is read");
    }
}
