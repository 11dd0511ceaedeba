//! Serving, on real TCP and UNIX sockets where sockets matter, over pipes and on a paused clock
//! where time does.

mod answers;
mod connecting;
mod end;
mod gone;
mod handler;
mod limits;
mod outage;
mod queue;
mod time;
mod trouble;

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use policy_net::{
    BoxError, Clients, ConnectionError, Connector, Drain, Endpoint, Listener, Peer, Request,
    Response, ServeOptions, Stream, serve_connection, serve_with,
};
use policy_testing::pipe::{mark_of, s};
use tokio::{
    io::{AsyncReadExt, duplex},
    sync::{oneshot, watch},
    task::JoinHandle,
};

/// A server on a real socket.
struct Server {
    endpoint: Endpoint,
    marks: Arc<Mutex<Vec<String>>>,
    handled: watch::Receiver<usize>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    _dir: Option<tempfile::TempDir>,
}

impl Server {
    async fn start<H, F>(endpoint: &Endpoint, options: ServeOptions, handler: H) -> Self
    where
        H: Fn(Request) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response, BoxError>> + Send,
    {
        let listener = Listener::bind(endpoint).await.unwrap();
        let endpoint = listener.endpoint().unwrap();
        let (stop, stopped) = oneshot::channel();
        let (begun, handled) = watch::channel(0);
        let marks = Arc::<Mutex<Vec<_>>>::default();
        let handler = {
            let (marks, begun) = (Arc::clone(&marks), Arc::new(begun));
            move |request: Request| {
                marks.lock().unwrap().push(mark_of(&request));
                begun.send_modify(|begun| *begun += 1);
                handler(request)
            }
        };
        let task = tokio::spawn(async move {
            let shutdown = async { stopped.await.unwrap_or_default() };
            serve_with(listener, handler, &options, shutdown).await;
        });
        Self {
            endpoint,
            marks,
            handled,
            stop: Some(stop),
            task,
            _dir: None,
        }
    }

    async fn connect(&self) -> Stream {
        let connector = Connector::new(self.endpoint.clone());
        connector.connect(s(10)).await.unwrap()
    }

    /// Waits until so many requests have come to the handler.
    async fn handled(&self, wanted: usize) {
        let mut handled = self.handled.clone();
        handled
            .wait_for(|handled| *handled >= wanted)
            .await
            .unwrap();
    }

    fn marks(&self) -> Vec<String> {
        self.marks.lock().unwrap().clone()
    }

    fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }
}

/// The same server on TCP and on a UNIX socket.
async fn both<H, F>(handler: H) -> [Server; 2]
where
    H: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response, BoxError>> + Send,
{
    let dir = tempfile::tempdir().unwrap();
    let options = ServeOptions::default();
    let tcp = Server::start(&tcp(), options, handler.clone()).await;
    let mut unix = Server::start(&unix(dir.path()), options, handler).await;
    unix._dir = Some(dir);
    [tcp, unix]
}

/// One connection over a pipe.
fn served<H, F>(
    options: ServeOptions,
    drain: &Drain,
    handler: H,
) -> (
    tokio::io::DuplexStream,
    JoinHandle<Result<(), ConnectionError>>,
)
where
    H: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response, BoxError>> + Send,
{
    let (client, server) = duplex(4096);
    let drain = drain.clone();
    let served = tokio::spawn(async move {
        let clients = Clients::new(options);
        serve_connection(server, &handler, clients, &Peer::default(), drain.begun()).await
    });
    (client, served)
}

fn echo(request: Request) -> Result<Response, BoxError> {
    Ok(Response::new(mark_of(&request))?)
}

fn tcp() -> Endpoint {
    "inet:127.0.0.1:0".parse().unwrap()
}

fn unix(dir: &Path) -> Endpoint {
    Endpoint::Unix(dir.join("policy.sock"))
}

/// One reply, up to its blank line.
async fn reply(io: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut reply = Vec::new();
    while !reply.ends_with(b"\n\n") {
        reply.push(io.read_u8().await.unwrap());
    }
    String::from_utf8(reply).unwrap()
}

/// All that comes before the other side closes.
async fn rest(mut io: impl AsyncReadExt + Unpin) -> String {
    let mut rest = String::new();
    io.read_to_string(&mut rest).await.unwrap();
    rest
}
