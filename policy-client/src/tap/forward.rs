//! One connection of a client and one to the policy server: bytes go through as they come.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use policy_net::{Connector, Drain, Stream};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    time::timeout,
};

use super::observer::{Observer, Side};

/// Forwards until both sides have ended, one has failed, or the program is to end and all requests are answered.
pub(super) async fn forward(
    client: Stream,
    connector: Arc<Connector>,
    within: Duration,
    observer: Observer,
    drain: Drain,
) {
    let server = match connector.connect(within).await {
        Ok(server) => server,
        Err(error) => {
            let text = format!("cannot connect to {}: {error}", connector.endpoint());
            return refuse(client, within, observer, drain, &text).await;
        }
    };
    let idle = observer.idle();
    let observer = Mutex::new(observer);
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    let both = async {
        let requests = async {
            let show = |bytes: &[u8]| lock(&observer).requests(bytes);
            let (side, ended) = pump(CLIENT_TO_SERVER, from_client, to_server, show).await;
            lock(&observer).ended(side, ended)
        };
        let answers = async {
            let show = |bytes: &[u8]| lock(&observer).answers(bytes);
            let (side, ended) = pump(SERVER_TO_CLIENT, from_server, to_client, show).await;
            lock(&observer).ended(side, ended)
        };
        tokio::try_join!(requests, answers)
    };
    let ended = async {
        drain.begun().await;
        let is_busy = lock(&observer).is_busy();
        if is_busy {
            // Its end is that of the answer, or of the patience.
            _ = timeout(DRAIN, idle.notified()).await;
        }
    };
    tokio::select! {
        biased;
        _ = both => {}
        () = ended => {}
    }
    lock(&observer).end();
}

/// Closes the connection without an answer, as a server in trouble does, once its first request has been seen.
async fn refuse(
    mut client: Stream,
    within: Duration,
    mut observer: Observer,
    drain: Drain,
    error: &str,
) {
    let request = async {
        let mut buffer = vec![0; PIECE];
        while !observer.is_busy() {
            match client.read(&mut buffer).await {
                Ok(0) => return observer.ended(Side::Client, Ok(())),
                Err(error) => return observer.ended(Side::Client, Err(error)),
                Ok(count) => observer.requests(buffer.get(..count).unwrap_or_default()),
            }
        }
        Ok(())
    };
    tokio::select! {
        _ = timeout(within, request) => {}
        () = drain.begun() => {}
    }
    observer.unreachable(error);
    observer.end();
    // It may have gone.
    _ = client.shutdown().await;
}

/// Writes what is read, until it ends; the other side learns of the end. Returns which side has ended, and how.
async fn pump(
    [reads, writes]: [Side; 2],
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    show: impl Fn(&[u8]),
) -> (Side, io::Result<()>) {
    let mut buffer = vec![0; PIECE];
    loop {
        let count = match from.read(&mut buffer).await {
            Ok(count) => count,
            Err(error) => return (reads, Err(error)),
        };
        let piece = buffer.get(..count).unwrap_or_default();
        if piece.is_empty() {
            // A side that has closed both directions is told of nothing.
            _ = to.shutdown().await;
            return (reads, Ok(()));
        }
        show(piece);
        if let Err(error) = to.write_all(piece).await {
            return (writes, Err(error));
        }
    }
}

fn lock(observer: &Mutex<Observer>) -> MutexGuard<'_, Observer> {
    observer.lock().unwrap_or_else(PoisonError::into_inner)
}

const CLIENT_TO_SERVER: [Side; 2] = [Side::Client, Side::Server];
const SERVER_TO_CLIENT: [Side; 2] = [Side::Server, Side::Client];
/// As much as is under way in a direction of a connection.
const PIECE: usize = 8 * 1024;
/// How long an answer is waited for when the program is to end.
pub(super) const DRAIN: Duration = Duration::from_secs(2);
