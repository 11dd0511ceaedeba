//! A server with a budget for memory, which answers a request when it is told to.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use policy_net::{ClientOptions, Clients, Connection};
use policy_proto::{Limits, Response};
use policy_testing::pipe::{mark_of, ms};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime::{self, Runtime},
    sync::oneshot,
    task::JoinHandle,
    time::sleep,
};

pub(crate) struct World {
    pub(crate) clients: Clients,
    /// The requests that are worked on, in the order in which they were read.
    asked: Asked,
}

type Asked = Arc<Mutex<Vec<(String, oneshot::Sender<Response>)>>>;

/// A client, and the task that serves it.
pub(crate) struct Client {
    pub(crate) pipe: DuplexStream,
    pub(crate) served: JoinHandle<()>,
}

impl World {
    pub(crate) fn new(bytes: usize) -> Self {
        Self::with_options(bytes, patient())
    }

    pub(crate) fn with_options(bytes: usize, mut options: ClientOptions) -> Self {
        options.memory = Some(bytes);
        Self {
            clients: Clients::new(options),
            asked: Asked::default(),
        }
    }

    pub(crate) fn with_largest(bytes: usize, request: usize) -> Self {
        let mut options = patient();
        options.limits = Limits::default().with_message(request);
        Self::with_options(bytes, options)
    }

    pub(crate) fn connect(&self) -> Client {
        let (pipe, server) = duplex(1 << 20);
        let connection = Connection::new(server, &self.clients);
        let served = tokio::spawn(serve(connection, Arc::clone(&self.asked)));
        Client { pipe, served }
    }

    /// Clients that wait for memory.
    pub(crate) fn waiting(&self) -> usize {
        self.clients.short_of_memory()
    }

    /// A client that has sent this.
    pub(crate) async fn sends(&self, bytes: &[u8]) -> Client {
        let mut client = self.connect();
        client.send(bytes).await;
        client
    }

    /// The requests that are worked on once there is nothing more to do.
    pub(crate) async fn asked(&self) -> Vec<String> {
        quiet().await;
        let mut asked = self.asked.lock().unwrap();
        asked.retain(|(_, answer)| !answer.is_closed());
        asked.iter().map(|(mark, _)| mark.clone()).collect()
    }

    /// Answers the request of this mark with it, as long as it is worked on.
    pub(crate) async fn answer(&self, mark: &str) {
        let (_, answer) = {
            let mut asked = self.asked.lock().unwrap();
            let at = asked.iter().position(|(asked, _)| asked == mark);
            asked.remove(at.expect("it is worked on"))
        };
        _ = answer.send(Response::new(mark.to_owned()).unwrap());
        quiet().await;
    }

    /// Answers all requests, each as soon as it is worked on, in this order.
    pub(crate) async fn answer_all<'a>(&self, marks: impl IntoIterator<Item = &'a String>) {
        for mark in marks {
            assert_eq!(self.asked().await.first(), Some(mark));
            self.answer(mark).await;
        }
        assert_eq!(self.asked().await, [""; 0]);
    }
}

impl Client {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.pipe.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn reads(&mut self, mark: &str) {
        let expected = format!("action={mark}\n\n");
        let mut reply = vec![0; expected.len()];
        self.pipe.read_exact(&mut reply).await.unwrap();
        assert_eq!(String::from_utf8(reply).unwrap(), expected);
    }
}

async fn serve(mut connection: Connection<DuplexStream>, asked: Asked) {
    while let Ok(Some(request)) = connection.request(std::future::pending()).await {
        let mark = mark_of(&request);
        let (answer, answered) = oneshot::channel();
        asked.lock().unwrap().push((mark, answer));
        let response = tokio::select! {
            response = answered => response.unwrap(),
            () = connection.gone() => return,
        };
        drop(request);
        connection.reply(&response).await.unwrap();
    }
}

/// A request of this mark and about this length.
pub(crate) fn wire(mark: &str, length: usize) -> Vec<u8> {
    let mut wire = format!("request=smtpd_access_policy\ninstance={mark}\n").into_bytes();
    while wire.len() + 1 < length {
        let rest = (length - wire.len()).clamp(6, 1000) - 6;
        wire.extend(format!("pad={}\n", "x".repeat(rest)).into_bytes());
    }
    wire.push(b'\n');
    wire
}

/// For ever.
fn patient() -> ClientOptions {
    let mut options = ClientOptions::default();
    options.idle = Duration::MAX;
    options.request = Duration::MAX;
    options.memory_wait = Duration::MAX;
    options
}

pub(crate) fn marks(name: &str, number: usize) -> Vec<String> {
    (0..number).map(|index| format!("{name}{index}")).collect()
}

/// With a clock that is paused.
pub(crate) fn runtime() -> Runtime {
    let mut runtime = runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap()
}

/// On the paused clock this takes no time, and ends when nobody has anything to do.
pub(crate) async fn quiet() {
    sleep(ms(1)).await;
}
