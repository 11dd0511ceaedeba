//! A name server that answers from a zone in text, with delays and lies.

mod reply;

use std::{
    io,
    net::{self, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use policy_dns::{Fault, Question, Table, ZoneError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    runtime,
    sync::oneshot,
    time::sleep,
};

pub use reply::Edns;
use reply::Query;

/// A name server on a free port of 127.0.0.1, over UDP and TCP, until it is dropped.
///
/// The zone is the text that [`Table`] reads; the server also does what a resolver from a table cannot: `!truncated`
/// cuts off each answer over UDP, `!cut-within` within its last record, `!silent-tcp` answers over UDP only,
/// `!wrong-id` answers with another id, `!wrong-name` to another question. Answers that say no carry an SOA with a
/// minimum of 60 s, except those of `!alias-only`. An answer over UDP that is longer than the query allows is cut off.
///
/// It has a thread of its own, so it also serves tests without a runtime.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    zone: Mutex<Table>,
    edns: Mutex<Edns>,
    questions: Mutex<Vec<Question>>,
}

impl NameServer {
    /// Starts a server with a zone.
    ///
    /// # Panics
    ///
    /// The zone cannot be read, or no port is free.
    #[must_use]
    pub fn start(zone: &str) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), zone)
    }

    /// Starts a server at this address: for programs that ask at port 53 of what resolv.conf names.
    ///
    /// # Panics
    ///
    /// The zone cannot be read, or the address is not free.
    #[must_use]
    pub fn start_at(address: SocketAddr, zone: &str) -> Self {
        let shared = Arc::new(Shared {
            zone: Mutex::new(read(zone)),
            edns: Mutex::default(),
            questions: Mutex::default(),
        });
        let (udp, tcp) = bind(address).expect("a free port");
        let address = udp
            .local_addr()
            .expect("the address of a socket that is bound");
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let udp = UdpSocket::from_std(udp).expect("a socket that does not block");
                let tcp = TcpListener::from_std(tcp).expect("a socket that does not block");
                tokio::select! {
                    () = serve_udp(Arc::new(udp), &serving) => {}
                    () = serve_tcp(tcp, &serving) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the zone.
    ///
    /// # Panics
    ///
    /// The zone cannot be read.
    pub fn set_zone(&self, zone: &str) {
        *lock(&self.shared.zone) = read(zone);
    }

    /// What it answers from now on to a query that has EDNS.
    pub fn set_edns(&self, edns: Edns) {
        *lock(&self.shared.edns) = edns;
    }

    /// The questions that came so far, in their order; those over TCP as well.
    #[must_use]
    pub fn questions(&self) -> Vec<Question> {
        lock(&self.shared.questions).clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of its thread is in the test's output.
            let _ = thread.join();
        }
    }
}

/// UDP and TCP on the same port.
fn bind(address: SocketAddr) -> io::Result<(net::UdpSocket, net::TcpListener)> {
    let mut last = io::Error::other("no port is free");
    for _ in 0..100 {
        let udp = net::UdpSocket::bind(address)?;
        match net::TcpListener::bind(udp.local_addr()?) {
            Ok(tcp) => {
                udp.set_nonblocking(true)?;
                tcp.set_nonblocking(true)?;
                return Ok((udp, tcp));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn serve_udp(socket: Arc<UdpSocket>, shared: &Arc<Shared>) {
    let mut buffer = vec![0; 4096];
    loop {
        // An error is that of an earlier answer, to a client that is gone.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let Some(query) = Query::parse(&buffer[..length]) else {
            continue;
        };
        let (socket, shared) = (Arc::clone(&socket), Arc::clone(shared));
        tokio::spawn(async move {
            if let Some(reply) = answer(&query, &shared, true).await {
                // The client may be gone.
                let _ = socket.send_to(&reply, client).await;
            }
        });
    }
}

async fn serve_tcp(listener: TcpListener, shared: &Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            // The client may leave at any time.
            let _ = serve_stream(stream, &shared).await;
        });
    }
}

async fn serve_stream(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    loop {
        let mut message = vec![0; stream.read_u16().await?.into()];
        stream.read_exact(&mut message).await?;
        let Some(query) = Query::parse(&message) else {
            return Ok(());
        };
        let Some(reply) = answer(&query, shared, false).await else {
            continue;
        };
        let length = u16::try_from(reply.len()).map_err(io::Error::other)?;
        stream
            .write_all(&[&length.to_be_bytes(), &*reply].concat())
            .await?;
    }
}

/// The message that answers a query, after its delay; none for silence.
async fn answer(query: &Query, shared: &Shared, is_udp: bool) -> Option<Vec<u8>> {
    lock(&shared.questions).push(query.question().clone());
    let found = lock(&shared.zone).find(query.question());
    let delay = found.faults.iter().map(|fault| {
        if let Fault::Delay(delay) = fault {
            *delay
        } else {
            Duration::ZERO
        }
    });
    sleep(delay.sum()).await;
    let is_silent = |fault: &Fault| match fault {
        Fault::Silent => true,
        Fault::SilentTcp => !is_udp,
        _ => false,
    };
    if found.faults.iter().any(is_silent) {
        None
    } else {
        let refused = query.refused_for_edns(*lock(&shared.edns));
        refused.or_else(|| Some(query.reply(&found, is_udp)))
    }
}

fn read(zone: &str) -> Table {
    zone.parse()
        .unwrap_or_else(|error: ZoneError| panic!("{error}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
