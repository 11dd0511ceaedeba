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

use super::observer::Observer;

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
            // Dropping it closes it without an answer, as a server in trouble does.
            return observer.note(&format!(
                "cannot connect to {}: {error}",
                connector.endpoint()
            ));
        }
    };
    let idle = observer.idle();
    let observer = Mutex::new(observer);
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    let both = async {
        let requests = pump(from_client, to_server, |bytes| {
            lock(&observer).requests(bytes)
        });
        let answers = pump(from_server, to_client, |bytes| {
            lock(&observer).answers(bytes)
        });
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
        done = both => {
            if let Err(error) = done {
                lock(&observer).note(&format!("the connection failed: {error}"));
            }
        }
        () = ended => {}
    }
    lock(&observer).end();
}

/// Writes what is read, until it ends; the other side learns of the end.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    show: impl Fn(&[u8]),
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let count = from.read(&mut buffer).await?;
        let piece = buffer.get(..count).unwrap_or_default();
        if piece.is_empty() {
            // A side that has closed both directions is told of nothing.
            _ = to.shutdown().await;
            return Ok(());
        }
        show(piece);
        to.write_all(piece).await?;
    }
}

fn lock(observer: &Mutex<Observer>) -> MutexGuard<'_, Observer> {
    observer.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As much as is under way in a direction of a connection.
const PIECE: usize = 8 * 1024;
/// How long an answer is waited for when the program is to end.
pub(super) const DRAIN: Duration = Duration::from_secs(2);
