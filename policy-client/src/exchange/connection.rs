//! One connection to a policy server, over which one request after the other is asked.

use std::{fmt, io, os::fd::OwnedFd, sync::Arc, time::Duration};

use bytes::Bytes;
use policy_net::{Connector, Endpoint, Stream};
use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::Failure;
use crate::answer::{Answer, Answers};

/// Which way bytes went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    ToServer,
    FromServer,
}

/// A function that is shown each piece of bytes, as it was written or read.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Show>);

type Show = dyn Fn(Direction, &[u8]) + Send + Sync;

impl Watch {
    pub(crate) fn new(show: impl Fn(Direction, &[u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(show))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// A connection to a policy server, which reads answers as Postfix does.
///
/// ```
/// use std::{io::Write, os::unix::net::UnixStream, time::Duration};
///
/// use policy_client::{Connection, Idle};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let (near, mut far) = UnixStream::pair()?;
/// let mut connection = Connection::over(near)?;
/// assert_eq!(connection.idle(), Idle::Silent);
///
/// far.write_all(b"action=DUNNO\n\n\n")?;
/// let second = Duration::from_secs(1);
/// connection.send(b"request=smtpd_access_policy\n\n", second).await?;
/// let answer = connection.answer(second).await?;
/// assert_eq!((&*answer.action, answer.unusual), (&b"DUNNO"[..], None));
/// assert_eq!(connection.take_excess(), b"\n");
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    answers: Answers,
    /// What has come besides answers, as far as it is kept.
    excess: Vec<u8>,
    watch: Option<Watch>,
}

/// What there is of a connection over which nothing is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Idle {
    /// Nothing, as it should be.
    Silent,
    /// Bytes that nobody has asked for. Postfix takes another connection then.
    Excess,
    /// The end.
    Closed,
}

impl Connection {
    /// Opens a connection to this server within that time.
    ///
    /// # Errors
    ///
    /// [`Failure::Connect`].
    pub async fn open(server: &Endpoint, within: Duration) -> Result<Self, Failure> {
        let connector = Connector::new(server.clone());
        let stream = connector.connect(within).await;
        Ok(Self::new(stream.map_err(Failure::Connect)?, None))
    }

    /// Over an open socket, for the runtime that this is called in.
    ///
    /// # Errors
    ///
    /// The system has refused something.
    pub fn over(socket: impl Into<OwnedFd>) -> io::Result<Self> {
        Ok(Self::new(Stream::try_from(socket.into())?, None))
    }

    pub(super) fn new(stream: Stream, watch: Option<Watch>) -> Self {
        Self {
            stream,
            answers: Answers::default(),
            excess: Vec::new(),
            watch,
        }
    }

    /// Looks what has come since the last answer: Postfix does so before it asks over a kept connection.
    pub fn idle(&mut self) -> Idle {
        let mut bytes = [0; READ];
        // The runtime knows only what the system has told it, which may be a moment old.
        let come = loop {
            match recv(&self.stream, &mut bytes, RecvFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return Idle::Silent,
                Ok((_, 0)) | Err(_) => return Idle::Closed,
                Ok((_, count)) => break bytes.split_at(count).0,
            }
        };
        // Once is enough: a server may send without an end.
        self.show(Direction::FromServer, come);
        self.keep(come);
        Idle::Excess
    }

    /// What has come besides answers since the last call, as far as it is kept: its first 100 bytes.
    pub fn take_excess(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.excess)
    }

    /// Sends these bytes of a request.
    ///
    /// # Errors
    ///
    /// [`Failure::Connection`] and [`Failure::TimedOut`].
    pub async fn send(&mut self, bytes: &[u8], within: Duration) -> Result<(), Failure> {
        match timeout(within, self.stream.write_all(bytes)).await {
            Ok(Ok(())) => {
                self.show(Direction::ToServer, bytes);
                Ok(())
            }
            Ok(Err(error)) => Err(self.failed(error)),
            Err(_) => Err(self.timed_out(within)),
        }
    }

    /// The answer to what was sent, up to its empty line.
    ///
    /// It is not cancel safe: what comes after it was given up is taken for the next answer.
    ///
    /// # Errors
    ///
    /// Why there is none. The connection can be used no more.
    pub async fn answer(&mut self, within: Duration) -> Result<Answer<'static>, Failure> {
        match timeout(within, self.read()).await {
            Ok(answer) => answer,
            Err(_) => Err(self.timed_out(within)),
        }
    }

    async fn read(&mut self) -> Result<Answer<'static>, Failure> {
        let mut bytes = [0; READ];
        loop {
            let count = match self.stream.read(&mut bytes).await {
                Err(error) => return Err(self.failed(error)),
                Ok(0) => {
                    return Err(match self.answers.unfinished() {
                        Some(line) => Failure::Half(Bytes::copy_from_slice(line)),
                        None => Failure::Closed,
                    });
                }
                Ok(count) => count,
            };
            let mut rest = bytes.split_at(count).0;
            self.show(Direction::FromServer, rest);
            let answer = match self.answers.next(&mut rest) {
                None => continue,
                Some(Err(fault)) => return Err(Failure::Invalid(fault)),
                Some(Ok(answer)) => answer.into_owned(),
            };
            self.keep(rest);
            return Ok(answer);
        }
    }

    fn failed(&self, error: io::Error) -> Failure {
        Failure::Connection {
            error,
            line: self.begun(),
        }
    }

    fn timed_out(&self, after: Duration) -> Failure {
        Failure::TimedOut {
            after,
            line: self.begun(),
        }
    }

    /// The beginning of the last line of an answer, if one has begun.
    fn begun(&self) -> Bytes {
        let line = self.answers.unfinished().unwrap_or_default();
        Bytes::copy_from_slice(line)
    }

    fn show(&self, direction: Direction, bytes: &[u8]) {
        if let Some(Watch(show)) = &self.watch {
            show(direction, bytes);
        }
    }

    fn keep(&mut self, excess: &[u8]) {
        let room = MAX_EXCESS.saturating_sub(self.excess.len());
        self.excess.extend(excess.iter().take(room));
    }
}

/// As much as is read at a time.
const READ: usize = 4 * 1024;
/// As many bytes besides answers are kept, to be shown.
const MAX_EXCESS: usize = 100;

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::net::UnixStream};

    use super::*;

    #[tokio::test]
    async fn no_time_to_wait_is_too_long() -> Result<(), Box<dyn std::error::Error>> {
        let (near, mut far) = UnixStream::pair()?;
        far.write_all(b"action=DUNNO\n\n")?;
        let mut connection = Connection::over(near)?;
        connection.send(b"request=x\n\n", Duration::MAX).await?;
        assert_eq!(&*connection.answer(Duration::MAX).await?.action, b"DUNNO");
        Ok(())
    }
}
