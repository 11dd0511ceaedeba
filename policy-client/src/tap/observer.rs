//! The requests and answers in the bytes of a connection, as far as they are any.

use std::{
    collections::VecDeque,
    fmt, io, mem,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use policy_proto::Request;
use tokio::sync::Notify;

use super::{
    requests::Requests,
    seen::Seen,
    writer::{Event, Sink},
};
use crate::{
    answer::{Answers, Fault, Flaw, Oddity, shown},
    exchange::within,
    input::capture::Facts,
};

/// What is seen of one connection. It only reads: what is no request is forwarded as well.
#[derive(Debug)]
pub(super) struct Observer {
    number: u64,
    requests: Requests,
    answers: Answers,
    /// Requests without an answer so far.
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    /// Requests that are waited for no more; their answers come before those of the pending ones.
    given_up: u64,
    told: Vec<Once>,
    /// Which side was the first to end the connection, and when.
    closed: Option<(Side, Instant)>,
    /// No bytes of either side are shown, since they may hold an address.
    is_private: bool,
    /// Told when the last one is answered.
    idle: Arc<Notify>,
    sink: Sink,
}

#[derive(Debug)]
struct Pending {
    request: Request,
    time: Duration,
    since: Instant,
}

/// A side of the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Client,
    Server,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// What is told of a connection once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Once {
    Newline,
    ReturnLine,
    Unusual(mem::Discriminant<Oddity>),
}

impl Observer {
    pub(super) fn new(number: u64, sink: Sink, is_private: bool) -> Self {
        Self {
            number,
            requests: Requests::default(),
            answers: Answers::default(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            given_up: 0,
            told: Vec::new(),
            closed: None,
            is_private,
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
        let (requests, error) = self.requests.received(bytes);
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
                self.finish(Err("too many requests without an answer".to_owned()));
                self.given_up += 1;
            }
        }
        if let Some((error, line)) = error {
            let line = self.quoted(&line);
            self.note(&format!(
                "the client sends something else than requests: {error}: {line}"
            ));
        }
    }

    /// These bytes have come from the server.
    pub(super) fn answers(&mut self, mut bytes: &[u8]) {
        let mut answers = mem::take(&mut self.answers);
        while let Some(found) = answers.next(&mut bytes) {
            match found {
                Ok(answer) => {
                    if let Some(unusual) = &answer.unusual {
                        self.unusual(unusual.oddity, &unusual.line);
                    }
                    self.answered(Ok(answer.action.into_owned()));
                }
                Err(Fault {
                    flaw: Flaw::NoAction,
                    line,
                }) if line.is_empty() => self.newline(),
                Err(fault) => self.answered(Err(fault)),
            }
        }
        // Not all of them are followed by an answer.
        if let Some(line) = answers.skipped() {
            self.unusual(Oddity::Skipped, line);
        }
        if answers.unfinished() == Some(b"\r\n") {
            self.note_once(
                Once::ReturnLine,
                "the server ends its answer with CR LF, which is no empty line to Postfix",
            );
        }
        self.answers = answers;
        if self.pending.is_empty() {
            self.idle.notify_waiters();
        }
    }

    fn unusual(&mut self, oddity: Oddity, line: &[u8]) {
        let line = self.quoted(line);
        self.note_once(
            Once::Unusual(mem::discriminant(&oddity)),
            &format!("the server sends {oddity}: {line}"),
        );
    }

    fn newline(&mut self) {
        let text = if self.pending.is_empty() {
            "the server sends a newline too many after its answer: if it comes apart from it, Postfix connects again after a second"
        } else {
            "the server sends an empty line before its answer: to Postfix that is an answer without 'action='"
        };
        self.note_once(Once::Newline, text);
    }

    fn answered(&mut self, answer: Result<Vec<u8>, Fault>) {
        let outcome = answer.map_err(|Fault { flaw, line }| {
            format!("invalid answer: {flaw}: {}", self.quoted(&line))
        });
        if self.given_up > 0 {
            self.given_up -= 1;
        } else if self.pending.is_empty() {
            let sent = match outcome {
                Ok(action) => self.quoted(&[b"action=", &*action].concat()),
                Err(error) => error,
            };
            self.note(&format!("the server answers without a request: {sent}"));
        } else {
            self.finish(outcome);
        }
    }

    /// A side has ended the connection, in good order or not.
    pub(super) fn ended(&mut self, side: Side, how: io::Result<()>) -> io::Result<()> {
        self.closed.get_or_insert_with(|| (side, Instant::now()));
        if let Err(error) = &how {
            self.note(&format!("the connection of the {side} failed: {error}"));
        }
        // A client that sends no more may still get its answers.
        if side == Side::Server {
            self.lose();
        }
        how
    }

    /// No server could be asked.
    pub(super) fn unreachable(&mut self, error: &str) {
        if !self.is_busy() {
            self.note(error);
        }
        while self.is_busy() {
            self.finish(Err(error.to_owned()));
        }
    }

    /// The connection has ended.
    pub(super) fn end(&mut self) {
        if let Some(rest) = self.requests.unfinished() {
            let rest = self.quoted(rest);
            self.note(&format!("{} within a request, after {rest}", self.end_of()));
        }
        self.lose();
    }

    /// What is pending gets no answer.
    fn lose(&mut self) {
        let closed = self.end_of();
        let error = match self.answers.unfinished() {
            Some(_) if self.is_private => {
                format!("{closed} within an answer, after {}", self.quoted(b""))
            }
            Some(rest) => format!("{closed} {}", within(rest)),
            None if matches!(self.closed, Some((Side::Server, _))) => {
                format!("{closed} without an answer")
            }
            None => format!("{closed} before an answer"),
        };
        while self.is_busy() {
            self.finish(Err(error.clone()));
        }
        self.idle.notify_waiters();
    }

    /// Who has ended the connection.
    fn end_of(&self) -> String {
        match self.closed {
            Some((side, _)) => format!("the {side} closed the connection"),
            None => "policy-client ended".to_owned(),
        }
    }

    /// The beginning of a line in quotation marks, unless nobody is to see it.
    fn quoted(&self, line: &[u8]) -> String {
        if self.is_private {
            "'...'".to_owned()
        } else {
            format!("'{}'", shown(line))
        }
    }

    /// Something that may come again and again.
    fn note_once(&mut self, what: Once, text: &str) {
        if !self.told.contains(&what) {
            self.told.push(what);
            self.note(text);
        }
    }

    /// The first of the pending requests is answered, or will not be.
    fn finish(&mut self, outcome: Result<Vec<u8>, String>) {
        let Some(pending) = self.pending.pop_front() else {
            return;
        };
        self.pending_bytes -= pending.request.as_bytes().len();
        let (action, error) = match outcome {
            Ok(action) => (Some(action), None),
            Err(error) => (None, Some(error)),
        };
        let end = match self.closed {
            Some((_, closed)) if error.is_some() => closed,
            _ => Instant::now(),
        };
        self.sink.send(Event::Seen(Box::new(Seen {
            request: pending.request,
            facts: Facts {
                time: Some(pending.time),
                connection: Some(self.number),
                elapsed: Some(end.saturating_duration_since(pending.since)),
                action,
                error,
            },
        })));
    }
}

/// Requests of one connection that wait for an answer, as many as are kept.
const MAX_PENDING: usize = 100;
const MAX_PENDING_BYTES: usize = 256 * 1024;
