use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use policy_proto::{DecodeError, Decoder, Request, Response};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

/// Why a client's connection has to end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The client sent something that is no request.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The client began a request and did not finish it in time.
    #[error("request not finished in time")]
    TooSlow,
    /// The handler had no answer.
    #[error("no answer")]
    Handler(#[source] crate::BoxError),
}

/// How long a server waits for a client; `None`, the default of both, is for ever.
///
/// ```
/// use policy_net::{Patience, ServeOptions};
/// use std::time::Duration;
///
/// assert_eq!(Patience::default(), Patience { idle: None, request: None });
/// let served = ServeOptions::default().patience;
/// assert_eq!(served.idle, Some(Duration::from_secs(1200)));
/// assert_eq!(served.request, Some(Duration::from_secs(30)));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Patience {
    /// For a request to begin; a blank line begins none.
    pub idle: Option<Duration>,
    /// For the rest of it, and for its reply to be taken.
    pub request: Option<Duration>,
}

/// The server's side of one connection: requests in, replies out, one after the other.
///
/// [`serve_connection`](crate::serve_connection) is a loop around it. Use it instead where
/// something is to be remembered between two requests, or said about each:
///
/// ```
/// use policy_net::{Connection, Patience};
/// use policy_proto::{Decoder, Response};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tokio_util::sync::CancellationToken;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let (mut client, server) = tokio::io::duplex(4096);
/// client.write_all(b"instance=a\n\ninstance=b\n\n").await?;
/// client.shutdown().await?;
///
/// let mut connection = Connection::new(server, Decoder::new(), Patience::default());
/// let drain = CancellationToken::new();
/// let mut answered = 0;
/// while let Some(request) = connection.request(&drain).await? {
///     answered += 1;
///     let instance = String::from_utf8_lossy(request.get("instance").unwrap_or_default());
///     let text = format!("WARN {instance} is number {answered}");
///     connection.reply(&Response::new(text)?).await?;
/// }
/// drop(connection);
///
/// let mut replies = String::new();
/// client.read_to_string(&mut replies).await?;
/// assert_eq!(replies, "action=WARN a is number 1\n\naction=WARN b is number 2\n\n");
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connection<Io> {
    io: Io,
    buf: BytesMut,
    decoder: Decoder,
    patience: Patience,
    /// The client will send no more. It may still wait for a reply.
    ended: bool,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Connection<Io> {
    /// A connection whose requests this decoder reads.
    pub fn new(io: Io, decoder: Decoder, patience: Patience) -> Self {
        Self {
            io,
            buf: BytesMut::new(),
            decoder,
            patience,
            ended: false,
        }
    }

    /// The next request; `None` when the client has ended the connection between two requests, has
    /// been idle for too long, or `drain` was cancelled while none was under way.
    ///
    /// Nothing is lost when the returned future is dropped before its end.
    ///
    /// # Errors
    ///
    /// Bytes that are no request, an end within a request, a request that takes too long.
    pub async fn request(
        &mut self,
        drain: &CancellationToken,
    ) -> Result<Option<Request>, ConnectionError> {
        let idle = self.patience.idle.and_then(from_now);
        let mut slow = None;
        loop {
            if let Some(request) = self.decoder.request(&mut self.buf)? {
                return Ok(Some(request));
            }
            if self.ended {
                return Ok(self.decoder.finish(&self.buf).map(|()| None)?);
            }
            let begun = !self.buf.is_empty();
            let until = match begun {
                true => *slow.get_or_insert_with(|| self.patience.request.and_then(from_now)),
                false => {
                    slow = None;
                    idle
                }
            };
            let read = tokio::select! {
                biased;
                read = read_until(&mut self.io, &mut self.buf, until) => read,
                () = drain.cancelled(), if !begun => return Ok(None),
            };
            match read {
                Some(read) => self.ended = read? == 0,
                None if begun => return Err(ConnectionError::TooSlow),
                None => return Ok(None),
            }
        }
    }

    /// The lines of the requests so far that were no attributes, if the decoder is lenient.
    pub fn take_ignored(&mut self) -> Vec<Bytes> {
        self.decoder.take_ignored()
    }

    /// Sends a reply.
    ///
    /// # Errors
    ///
    /// The connection failed, or the client does not take the reply ([`io::ErrorKind::TimedOut`]).
    /// Nothing else is to be sent then, nor when the returned future was dropped before its end.
    pub async fn reply(&mut self, response: &Response) -> io::Result<()> {
        let mut wire = BytesMut::new();
        response.encode(&mut wire);
        self.write(&wire).await
    }

    /// Sends bytes as they are. Postfix takes whatever is not a reply to its request for a failure.
    ///
    /// # Errors
    ///
    /// As for [`reply`](Self::reply).
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = async {
            self.io.write_all(bytes).await?;
            self.io.flush().await
        };
        match self.patience.request {
            Some(patience) => timeout(patience, written).await?,
            None => written.await,
        }
    }

    /// Ends when the client is known to have gone for good, and only then. To be raced against the
    /// work on its request: what it sends meanwhile is kept for later, up to 128 KiB, and nothing
    /// is lost when the returned future is dropped.
    ///
    /// A client that has merely ended its side still waits for its reply. Over a UNIX socket it can
    /// be told from one that has closed. Over TCP it cannot, until something is sent: there only a
    /// reset is a sign, and the work for a client that has closed goes on.
    pub async fn gone(&mut self) {
        while !self.ended && self.buf.len() < READ_AHEAD {
            match read_until(&mut self.io, &mut self.buf, None).await {
                Some(Ok(0)) => self.ended = true,
                Some(Ok(_)) => {}
                _ => return,
            }
        }
        // Nothing wakes up who reads no more, or waits for the end of the other side: it is looked for.
        while !self.is_closed().await {
            sleep(CLOSED_PAUSE).await;
        }
    }

    /// Whether the client, having ended its side, has closed the other one as well. An empty write
    /// sends nothing, and fails where the connection has been reset or a UNIX socket closed.
    async fn is_closed(&mut self) -> bool {
        self.io.write(&[]).await.is_err()
    }
}

/// One read into the buffer; `None` when the time is over.
async fn read_until(
    io: &mut (impl AsyncRead + Unpin),
    buf: &mut BytesMut,
    until: Option<Instant>,
) -> Option<io::Result<usize>> {
    buf.reserve(READ);
    match until {
        Some(until) => timeout_at(until, io.read_buf(buf)).await.ok(),
        None => Some(io.read_buf(buf).await),
    }
}

/// The saturating addition that `Instant` lacks: `None` is for ever.
fn from_now(wait: Duration) -> Option<Instant> {
    Instant::now().checked_add(wait)
}

/// How soon a client is missed that has ended one side, and the other later.
const CLOSED_PAUSE: Duration = Duration::from_secs(1);
/// Room for a typical request with long addresses.
const READ: usize = 4096;
/// A client that sends requests without waiting for replies is not read further than this.
const READ_AHEAD: usize = 128 * 1024;
