//! One policy server, asked one request after the other over one connection, as Postfix asks it.

use std::{borrow::Cow, time::Duration};

use policy_net::{Connector, Endpoint};
use policy_proto::Request;
use tokio::time::Instant;

mod connection;
pub use connection::{Connection, Idle};
pub(crate) use connection::{Direction, Watch};

mod failure;
pub use failure::Failure;
pub(crate) use failure::within;

mod postfix;
pub(crate) use postfix::Postfix;

use crate::answer::{Answer, Fault, Flaw};

/// A policy server and the connection to it.
#[derive(Debug)]
pub(crate) struct Server {
    endpoint: Endpoint,
    connector: Connector,
    timeout: Duration,
    /// A request that finds its connection closed is asked again.
    repeats: bool,
    watch: Option<Watch>,
    /// One that was used, and whether what came after its last answer may be the beginning of another one.
    kept: Option<(Connection, bool)>,
}

/// What came of one request.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) answer: Result<Answer<'static>, Failure>,
    /// From the moment when there was a request to the answer, connecting included.
    pub(crate) elapsed: Duration,
    pub(crate) connection: Link,
    /// What the server has sent besides answers, as far as it has come: after this one, or after the one before.
    pub(crate) excess: Vec<u8>,
}

/// Over which connection a request went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Link {
    /// The first one.
    New,
    /// The one of the request before.
    Kept,
    /// Another one, since the server has closed the one of the request before.
    Reopened,
    /// Another one, since what came besides an answer over the one before might be taken for the next answer.
    Replaced,
}

impl Exchange {
    /// The action, or why there is none.
    pub(crate) fn action(&self) -> Result<&[u8], &Failure> {
        self.answer.as_ref().map(|answer| &*answer.action)
    }

    /// What is unusual about the answer, in words.
    pub(crate) fn unusual(&self) -> Option<String> {
        let answer = self.answer.as_ref().ok()?;
        answer.unusual.as_ref().map(ToString::to_string)
    }

    /// What has come besides answers, as text.
    pub(crate) fn shown_excess(&self) -> Option<Cow<'_, str>> {
        (!self.excess.is_empty()).then(|| String::from_utf8_lossy(&self.excess))
    }

    /// What there is besides the action, in words.
    pub(crate) fn notes(&self) -> Vec<String> {
        let unusual = self.unusual().map(|text| format!("unusual: {text}"));
        let excess = self.excess.escape_ascii();
        let excess = (!self.excess.is_empty()).then(|| {
            format!(
                "excess: the server sent '{excess}' after its answer, which Postfix ignores if it comes with the answer; else it connects again after a second, or takes it for its next answer"
            )
        });
        unusual.into_iter().chain(excess).collect()
    }
}

impl Server {
    /// A server that has so much time for each answer, connecting included.
    pub(crate) fn new(endpoint: Endpoint, timeout: Duration) -> Self {
        Self {
            connector: Connector::new(endpoint.clone()),
            endpoint,
            timeout,
            repeats: true,
            watch: None,
            kept: None,
        }
    }

    /// Asks each request once: a connection that the server has closed is a request without an answer.
    pub(crate) const fn once(mut self) -> Self {
        self.repeats = false;
        self
    }

    /// Shows all bytes of later connections to this function.
    pub(crate) fn watched(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    pub(crate) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Closes the connection; the next request opens another one.
    pub(crate) fn close(&mut self) {
        self.kept = None;
    }

    /// Asks this, over the connection of the request before where the server has kept it.
    ///
    /// A request that finds its connection closed is asked again over another one, once, as Postfix does it; not so with
    /// [`once`](Self::once).
    pub(crate) async fn ask(&mut self, request: &Request) -> Exchange {
        let begin = Instant::now();
        let mut excess = Vec::new();
        let (mut answer, mut connection) = (None, Link::New);
        if let Some((kept, is_spoilt)) = self.kept.take() {
            (answer, connection) = self
                .ask_again(kept, is_spoilt, request, begin, &mut excess)
                .await;
        }
        let answer = match answer {
            Some(answer) => answer,
            None => match self.connect(begin).await {
                Ok(new) => self.ask_over(new, request, begin, &mut excess).await,
                Err(failure) => Err(failure),
            },
        };
        Exchange {
            answer,
            elapsed: begin.elapsed(),
            connection,
            excess,
        }
    }

    /// What came over the connection of the request before; nothing where another one is to be taken, and why.
    async fn ask_again(
        &mut self,
        mut kept: Connection,
        is_spoilt: bool,
        request: &Request,
        begin: Instant,
        excess: &mut Vec<u8>,
    ) -> (Option<Result<Answer<'static>, Failure>>, Link) {
        let idle = kept.idle();
        excess.extend(kept.take_excess());
        if is_spoilt || idle == Idle::Excess {
            return (None, Link::Replaced);
        }
        let answer = match idle {
            Idle::Closed => Err(Failure::Closed),
            _ => self.ask_over(kept, request, begin, excess).await,
        };
        match answer {
            Err(Failure::Closed) if self.repeats => (None, Link::Reopened),
            Err(Failure::Connection { line, .. }) if self.repeats && line.is_empty() => {
                (None, Link::Reopened)
            }
            // An empty line before an answer is one too many of the answer before.
            Err(Failure::Invalid(Fault {
                flaw: Flaw::NoAction,
                line,
            })) if line.is_empty() => {
                excess.push(b'\n');
                (None, Link::Replaced)
            }
            answer => (Some(answer), Link::Kept),
        }
    }

    async fn connect(&self, begin: Instant) -> Result<Connection, Failure> {
        let stream = self.connector.connect(self.left(begin)).await;
        Ok(Connection::new(
            stream.map_err(Failure::Connect)?,
            self.watch.clone(),
        ))
    }

    /// Asks over this connection, which is kept when it can be used for another request.
    async fn ask_over(
        &mut self,
        mut connection: Connection,
        request: &Request,
        begin: Instant,
        excess: &mut Vec<u8>,
    ) -> Result<Answer<'static>, Failure> {
        let sent = connection.send(request.as_bytes(), self.left(begin)).await;
        let answer = match sent {
            Ok(()) => connection.answer(self.left(begin)).await,
            Err(failure) => Err(failure),
        };
        let more = connection.take_excess();
        let is_spoilt = more.iter().any(|byte| !b"\r\n".contains(byte));
        excess.extend(more);
        match answer {
            Ok(answer) => {
                self.kept = Some((connection, is_spoilt));
                Ok(answer)
            }
            Err(Failure::TimedOut { line, .. }) => Err(Failure::TimedOut {
                after: self.timeout,
                line,
            }),
            Err(failure) => Err(failure),
        }
    }

    /// How much time there is for a request that began then.
    fn left(&self, begin: Instant) -> Duration {
        self.timeout.saturating_sub(begin.elapsed())
    }
}
