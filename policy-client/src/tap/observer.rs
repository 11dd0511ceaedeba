//! The requests and answers in the bytes of a connection, as far as they are any.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::{Buf, BytesMut};
use policy_proto::{DecodeError, MessageDecoder, Request, Response};
use tokio::sync::Notify;

use super::writer::{Event, Sink};
use crate::capture::Facts;

/// What is seen of one connection. It only reads: what is no request is forwarded as well.
#[derive(Debug)]
pub(super) struct Observer {
    number: u64,
    requests: Side,
    answers: Side,
    /// Requests without an answer so far.
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    /// Requests that are waited for no more; their answers come before those of the pending ones.
    given_up: u64,
    /// A newline after an answer was told.
    has_newline: bool,
    /// Told when the last one is answered.
    idle: Arc<Notify>,
    sink: Sink,
}

/// A request, and what came of it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) request: Request,
    pub(super) facts: Facts,
}

#[derive(Debug)]
struct Pending {
    request: Request,
    time: Duration,
    since: Instant,
}

/// One direction. After an error it is not looked at any more.
#[derive(Debug, Default)]
struct Side {
    decoder: MessageDecoder,
    buffer: BytesMut,
    error: Option<DecodeError>,
}

impl Observer {
    pub(super) fn new(number: u64, sink: Sink) -> Self {
        Self {
            number,
            requests: Side::default(),
            answers: Side::default(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            given_up: 0,
            has_newline: false,
            idle: Arc::default(),
            sink,
        }
    }

    pub(super) fn idle(&self) -> Arc<Notify> {
        Arc::clone(&self.idle)
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Something that is worth a line.
    pub(super) fn note(&self, text: &str) {
        self.sink
            .send(Event::Note(format!("connection {}: {text}", self.number)));
    }

    /// These bytes have come from the client.
    pub(super) fn requests(&mut self, bytes: &[u8]) {
        let next = |decoder: &mut MessageDecoder, buffer: &mut BytesMut| decoder.request(buffer);
        let (requests, error) = self.requests.take(bytes, next);
        for request in requests {
            self.pending_bytes += request.as_bytes().len();
            self.pending.push_back(Pending {
                request,
                time: SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default(),
                since: Instant::now(),
            });
            // Postfix has one under way; another client may have as many as it likes.
            while self.pending.len() > MAX_PENDING || self.pending_bytes > MAX_PENDING_BYTES {
                self.finish(None, Some("too many requests without an answer"));
                self.given_up += 1;
            }
        }
        if let Some(error) = error {
            self.note(&format!(
                "the client sends something else than requests: {error}"
            ));
        }
    }

    /// These bytes have come from the server.
    pub(super) fn answers(&mut self, bytes: &[u8]) {
        let mut awaited = self.pending.len() as u64 + self.given_up;
        let mut has_newline = false;
        let next = |decoder: &mut MessageDecoder, buffer: &mut BytesMut| {
            // Where nothing is awaited, a newline too many is no answer to Postfix, either.
            while awaited == 0 && decoder.skip_rest(buffer)? {
                match &buffer[..] {
                    [b'\n', ..] => buffer.advance(1),
                    [b'\r', b'\n', ..] => buffer.advance(2),
                    b"" | b"\r" => return Ok(None),
                    _ => break,
                }
                has_newline = true;
            }
            let response = decoder.response(buffer)?;
            awaited = awaited.saturating_sub(u64::from(response.is_some()));
            Ok(response)
        };
        let (responses, error) = self.answers.take(bytes, next);
        for response in responses {
            if self.given_up > 0 {
                self.given_up -= 1;
            } else if self.pending.is_empty() {
                self.note("the server answers without a request");
            } else {
                self.finish(Some(&response), None);
            }
        }
        if has_newline && !self.has_newline {
            self.has_newline = true;
            self.note("the server sends a newline too many after its answer");
        }
        if let Some(error) = error {
            self.note(&format!(
                "the server sends something else than answers: {error}"
            ));
        }
        if self.pending.is_empty() {
            self.idle.notify_waiters();
        }
    }

    /// The connection has ended.
    pub(super) fn end(&mut self) {
        let error = match &self.answers.error {
            Some(error) => format!("invalid answer: {error}"),
            None => "closed without an answer".to_owned(),
        };
        while self.is_busy() {
            self.finish(None, Some(&error));
        }
    }

    /// The first of the pending requests is answered, or will not be.
    fn finish(&mut self, response: Option<&Response>, error: Option<&str>) {
        let Some(pending) = self.pending.pop_front() else {
            return;
        };
        self.pending_bytes -= pending.request.as_bytes().len();
        self.sink.send(Event::Seen(Box::new(Seen {
            request: pending.request,
            facts: Facts {
                time: Some(pending.time),
                connection: Some(self.number),
                elapsed: Some(pending.since.elapsed()),
                action: response.map(|response| response.as_bytes().to_vec()),
                error: error.map(str::to_owned),
            },
        })));
    }
}

impl Side {
    /// The messages that are whole now, and the error after them, once.
    fn take<T>(
        &mut self,
        bytes: &[u8],
        mut next: impl FnMut(&mut MessageDecoder, &mut BytesMut) -> Result<Option<T>, DecodeError>,
    ) -> (Vec<T>, Option<DecodeError>) {
        let mut all = Vec::new();
        if self.error.is_some() {
            return (all, None);
        }
        self.buffer.extend_from_slice(bytes);
        loop {
            match next(&mut self.decoder, &mut self.buffer) {
                Ok(Some(message)) => all.push(message),
                Ok(None) => return (all, None),
                Err(error) => {
                    self.error = Some(error);
                    self.buffer = BytesMut::new();
                    return (all, Some(error));
                }
            }
        }
    }
}

/// Requests of one connection that wait for an answer, as many as are kept.
const MAX_PENDING: usize = 100;
const MAX_PENDING_BYTES: usize = 256 * 1024;
