//! One policy server, asked one request after the other over one connection, as Postfix asks it.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use policy_net::{AttemptError, Client, Connector, Endpoint, Stream};
use policy_proto::{DecodeError, Request, Response};
use tokio::time::{Instant, timeout_at};

mod excess;
use excess::Unfinished;

mod failure;
pub(crate) use failure::{Failure, shown};

mod postfix;
pub(crate) use postfix::{Postfix, restriction};

mod watched;
pub(crate) use watched::{Direction, Watch};
use watched::{SharedExcess, Watched};

/// A policy server and the connection to it.
#[derive(Debug)]
pub(crate) struct Server {
    endpoint: Endpoint,
    connector: Connector,
    timeout: Duration,
    /// A request that finds its connection closed is asked again.
    repeats: bool,
    watch: Option<Watch>,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    client: Client<Watched<Stream>>,
    excess: SharedExcess,
    /// More than an answer has come for the request before.
    had_excess: bool,
}

/// What came of one request.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) answer: Result<Response, Failure>,
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
    /// What has come besides answers, as text.
    pub(crate) fn shown_excess(&self) -> Option<Cow<'_, str>> {
        (!self.excess.is_empty()).then(|| String::from_utf8_lossy(&self.excess))
    }

    /// What has come besides answers, in words.
    pub(crate) fn excess_in_words(&self) -> Option<String> {
        let excess = self.excess.escape_ascii();
        (!self.excess.is_empty()).then(|| {
            format!(
                "excess: the server sent '{excess}' after its answer, which Postfix ignores if it comes with the answer; else it connects again after a second, or takes it for its next answer"
            )
        })
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
            connection: None,
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
        self.connection = None;
    }

    /// Asks this, over the connection of the request before where the server has kept it.
    ///
    /// A request that finds its connection closed is asked again over another one, once, as Postfix does it; not so with
    /// [`once`](Self::once).
    pub(crate) async fn ask(&mut self, request: &Request) -> Exchange {
        let begin = Instant::now();
        // A time that the clock cannot hold has no end: a day is what the command line takes.
        let deadline = begin + self.timeout;
        let mut connection = Link::New;
        let mut excess = Vec::new();
        if let Some(mut kept) = self.connection.take() {
            // The blank line of the answer before may be on its way.
            let is_settled = timeout_at(deadline, kept.client.settle()).await == Ok(true);
            excess = kept.excess.take();
            let is_spoilt = kept.had_excess || !excess.is_empty();
            connection = if is_spoilt {
                Link::Replaced
            } else {
                Link::Reopened
            };
            let answer = if is_settled {
                self.ask_over(kept, request, deadline, &mut excess).await
            } else {
                Err(Failure::Closed)
            };
            let is_closed = matches!(answer, Err(Failure::Closed | Failure::Connection(_)));
            // What the server has spoilt it has not closed.
            let asks_again = is_closed && (self.repeats || is_spoilt && !is_settled);
            if !asks_again {
                return Exchange {
                    answer,
                    elapsed: begin.elapsed(),
                    connection: Link::Kept,
                    excess,
                };
            }
        }
        let answer = match self.connect(deadline).await {
            Ok(new) => self.ask_over(new, request, deadline, &mut excess).await,
            Err(failure) => Err(failure),
        };
        Exchange {
            answer,
            elapsed: begin.elapsed(),
            connection,
            excess,
        }
    }

    async fn connect(&self, deadline: Instant) -> Result<Connection, Failure> {
        let within = deadline.saturating_duration_since(Instant::now());
        let stream = self.connector.connect(within).await;
        let stream = stream.map_err(Failure::Connect)?;
        let excess = SharedExcess::default();
        let watched = Watched::new(stream, excess.clone(), self.watch.clone());
        Ok(Connection {
            client: Client::new(watched),
            excess,
            had_excess: false,
        })
    }

    /// Asks over this connection, which is kept when it can be used for another request.
    async fn ask_over(
        &mut self,
        mut connection: Connection,
        request: &Request,
        deadline: Instant,
        excess: &mut Vec<u8>,
    ) -> Result<Response, Failure> {
        let response = match timeout_at(deadline, connection.client.ask(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(failure_of(error)),
            Err(_) => {
                let begun = connection.excess.unfinished();
                return Err(self.timed_out(begun.map(|answer| answer.line)));
            }
        };
        // To Postfix the action alone is no answer: it reads up to the empty line.
        if connection.excess.unfinished().is_some() {
            let is_late = timeout_at(deadline, connection.client.settle())
                .await
                .is_err();
            match connection.excess.unfinished() {
                // The library takes it for an empty line.
                Some(Unfinished { line, .. }) if line.as_ref() == b"\r\n" => {
                    return Err(Failure::NoEmptyLine);
                }
                Some(Unfinished { line, .. }) if is_late => return Err(self.timed_out(Some(line))),
                Some(Unfinished { line, has_ended }) if has_ended => {
                    let error = DecodeError::UnexpectedEnd;
                    return Err(Failure::Invalid { error, line });
                }
                Some(Unfinished { line, .. }) => return Err(Failure::Endless(line)),
                None => {}
            }
        }
        if let Some(line) = connection.excess.returning()
            && restriction(&line).is_some()
        {
            return Err(Failure::CarriageReturn(line));
        }
        let more = connection.excess.take();
        connection.had_excess = !more.is_empty();
        excess.extend(more);
        self.connection = Some(connection);
        Ok(response)
    }

    fn timed_out(&self, line: Option<Bytes>) -> Failure {
        Failure::TimedOut {
            after: self.timeout,
            line: line.unwrap_or_default(),
        }
    }
}

fn failure_of(error: AttemptError) -> Failure {
    match error {
        AttemptError::Closed => Failure::Closed,
        AttemptError::Io(error) => Failure::Connection(error),
        AttemptError::Invalid { error, line } => Failure::Invalid { error, line },
        other => Failure::Here(other),
    }
}
