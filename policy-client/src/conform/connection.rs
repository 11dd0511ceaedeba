//! A connection to the server under test, byte for byte.
//!
//! It takes more for an answer than Postfix does: lines that end in CR LF, lines besides the action. So a fault is found by
//! the case that is about it, and not by all of them.

use policy_daemon::log::escaped;
use policy_net::Stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    times::Times,
    verdict::{Miss, Verdict},
};

/// A connection to the server under test.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    /// What has come and is no part of an answer yet.
    buffer: Vec<u8>,
    times: Times,
}

/// An answer as it came, its empty line included.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer(pub(crate) Vec<u8>);

/// What comes while nothing should.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    Nothing,
    Bytes(Vec<u8>),
    Closed,
}

impl Connection {
    pub(crate) const fn new(stream: Stream, times: Times) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            times,
        }
    }

    /// Sends these bytes at once.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Verdict {
        match timeout(self.times.answer, self.stream.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Miss::failed(format!("closed the connection: {error}")),
            Err(_) => Miss::failed(format!("read nothing for {:?}", self.times.answer)),
        }
    }

    /// Sends pieces that the server does not get together.
    pub(crate) async fn send_pieces<'a>(
        &mut self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Verdict {
        for piece in pieces {
            self.send(piece).await?;
            sleep(self.times.piece).await;
        }
        Ok(())
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn end_sending(&mut self) -> Verdict {
        match self.stream.shutdown().await {
            Ok(()) => Ok(()),
            Err(error) => Miss::failed(format!("closed the connection: {error}")),
        }
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> Result<Answer, Miss> {
        let deadline = Instant::now() + self.times.answer;
        loop {
            if let Some(end) = end_of_answer(&self.buffer) {
                let rest = self.buffer.split_off(end);
                let answer = Answer(std::mem::replace(&mut self.buffer, rest));
                return match answer.action() {
                    Some(_) => Ok(answer),
                    None => Miss::failed(format!("answered {}", quoted(&answer.0))),
                };
            }
            if self.buffer.len() > MAX_ANSWER {
                return Miss::failed("sent a megabyte without an empty line");
            }
            let within = match self.buffer.as_slice() {
                [] => String::new(),
                begun => format!(" after {}", quoted(begun)),
            };
            match timeout_at(deadline, self.stream.read_buf(&mut self.buffer)).await {
                Ok(Ok(0)) if within.is_empty() => {
                    return Miss::failed("closed the connection without an answer");
                }
                Ok(Ok(0)) => return Miss::failed(format!("closed the connection{within}")),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    return Miss::failed(format!("closed the connection{within}: {error}"));
                }
                Err(_) if within.is_empty() => {
                    return Miss::failed(format!("no answer within {:?}", self.times.answer));
                }
                Err(_) => {
                    let time = self.times.answer;
                    return Miss::failed(format!("no end of the answer within {time:?}{within}"));
                }
            }
        }
    }

    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer, Miss> {
        self.send(request).await?;
        self.answer().await
    }

    /// Looks for a while whether something comes.
    pub(crate) async fn watch(&mut self) -> Event {
        if self.buffer.is_empty() {
            let read = self.stream.read_buf(&mut self.buffer);
            match timeout(self.times.silence, read).await {
                Err(_) => return Event::Nothing,
                Ok(Ok(0) | Err(_)) => return Event::Closed,
                Ok(Ok(_)) => {}
            }
        }
        Event::Bytes(std::mem::take(&mut self.buffer))
    }

    /// Fails if something comes that was not asked for; the end is none.
    pub(crate) async fn silent(&mut self) -> Verdict {
        match self.watch().await {
            Event::Bytes(bytes) => Miss::failed(format!("sent {} unasked", quoted(&bytes))),
            Event::Nothing | Event::Closed => Ok(()),
        }
    }

    /// Waits for the end of the connection, with no answer before it.
    pub(crate) async fn ended(&mut self) -> Verdict {
        let deadline = Instant::now() + self.times.answer;
        loop {
            if end_of_answer(&self.buffer).is_some() {
                return Miss::failed(format!("answered {}", quoted(&self.buffer)));
            }
            let read = self.stream.read_buf(&mut self.buffer);
            match timeout_at(deadline, read).await {
                Ok(Ok(0) | Err(_)) => return Ok(()),
                Ok(Ok(_)) if self.buffer.len() > MAX_ANSWER => {
                    return Miss::failed("sent a megabyte");
                }
                Ok(Ok(_)) => {}
                Err(_) => {
                    let time = self.times.answer;
                    return Miss::failed(format!("did not close the connection within {time:?}"));
                }
            }
        }
    }

    /// Sends the same bytes until the server closes the connection; fails where it takes that many.
    pub(crate) async fn cut_off(&mut self, bytes: &[u8], most: usize) -> Verdict {
        let mut sent = 0;
        while sent < most {
            match timeout(self.times.answer, self.stream.write_all(bytes)).await {
                Ok(Ok(())) => sent += bytes.len(),
                Ok(Err(_)) => return Ok(()),
                Err(_) => {
                    let time = self.times.answer;
                    return Miss::failed(format!("neither read nor closed for {time:?}"));
                }
            }
        }
        // The end may come after the last byte.
        match self.watch().await {
            Event::Closed => Ok(()),
            Event::Bytes(bytes) => Miss::failed(format!("answered {}", quoted(&bytes))),
            Event::Nothing => Miss::failed(format!("took {most} bytes, and waits for more")),
        }
    }
}

impl Answer {
    /// The value of `action`, without a carriage return at its end.
    pub(crate) fn action(&self) -> Option<&[u8]> {
        let mut lines = self.0.split(|&byte| byte == b'\n');
        let action = lines.find_map(|line| line.strip_prefix(b"action="))?;
        Some(action.strip_suffix(b"\r").unwrap_or(action))
    }

    /// Its lines, without the empty one at its end.
    pub(crate) fn lines(&self) -> Vec<&[u8]> {
        let lines = self.0.split(|&byte| byte == b'\n');
        lines
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter(|line| !line.is_empty())
            .collect()
    }
}

/// Bytes as one line between quotation marks.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string();
    format!("\"{}\"", escaped(text, MAX_QUOTED, |_| false))
}

/// The length of the first answer with its empty line.
fn end_of_answer(bytes: &[u8]) -> Option<usize> {
    let ends = |end: &'static [u8]| {
        let found = bytes.windows(end.len()).position(|window| window == end);
        found.map(|begin| begin + end.len())
    };
    [ends(b"\n\n"), ends(b"\n\r\n")].into_iter().flatten().min()
}

/// More is no answer, in bytes.
const MAX_ANSWER: usize = 1 << 20;
/// The longest text that is quoted, in bytes.
const MAX_QUOTED: usize = 120;
