//! One policy server, asked one request after the other over one connection, as Postfix asks it.

use std::time::Duration;

use policy_net::{AttemptError, Client, Connector, Endpoint, Stream};
use policy_proto::{Request, Response};
use tokio::time::{Instant, timeout_at};

mod failure;
pub(crate) use failure::Failure;

mod postfix;
pub(crate) use postfix::Postfix;

mod watched;
pub(crate) use watched::{Direction, Watch, Watched};

/// A policy server and the connection to it.
#[derive(Debug)]
pub(crate) struct Server {
    endpoint: Endpoint,
    connector: Connector,
    timeout: Duration,
    watch: Option<Watch>,
    connection: Option<Client<Watched<Stream>>>,
}

/// What came of one request.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) answer: Result<Response, Failure>,
    /// From the moment when there was a request to the answer, connecting included.
    pub(crate) elapsed: Duration,
    pub(crate) connection: Link,
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
}

impl Server {
    /// A server that has so much time for each answer, connecting included.
    pub(crate) fn new(endpoint: Endpoint, timeout: Duration) -> Self {
        Self {
            connector: Connector::new(endpoint.clone()),
            endpoint,
            timeout,
            watch: None,
            connection: None,
        }
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
    /// A request that finds its connection closed is asked again over another one, once, as Postfix does it.
    pub(crate) async fn ask(&mut self, request: &Request) -> Exchange {
        let begin = Instant::now();
        // A time that the clock cannot hold has no end: a day is what the command line takes.
        let deadline = begin + self.timeout;
        let mut connection = Link::New;
        if let Some(mut client) = self.connection.take() {
            // The blank line of the answer before may be on its way.
            if timeout_at(deadline, client.settle()).await == Ok(true) {
                let answer = self.ask_over(client, request, deadline).await;
                if !matches!(answer, Err(Failure::Closed | Failure::Connection(_))) {
                    let connection = Link::Kept;
                    return Exchange {
                        answer,
                        elapsed: begin.elapsed(),
                        connection,
                    };
                }
            }
            connection = Link::Reopened;
        }
        let answer = match self.connect(deadline).await {
            Ok(client) => self.ask_over(client, request, deadline).await,
            Err(failure) => Err(failure),
        };
        Exchange {
            answer,
            elapsed: begin.elapsed(),
            connection,
        }
    }

    async fn connect(&self, deadline: Instant) -> Result<Client<Watched<Stream>>, Failure> {
        let within = deadline.saturating_duration_since(Instant::now());
        let stream = self.connector.connect(within).await;
        let stream = stream.map_err(Failure::Connect)?;
        Ok(Client::new(Watched::new(stream, self.watch.clone())))
    }

    /// Asks over this connection, which is kept when it can be used for another request.
    async fn ask_over(
        &mut self,
        mut client: Client<Watched<Stream>>,
        request: &Request,
        deadline: Instant,
    ) -> Result<Response, Failure> {
        match timeout_at(deadline, client.ask(request)).await {
            Ok(Ok(response)) => {
                self.connection = Some(client);
                Ok(response)
            }
            Ok(Err(error)) => Err(failure_of(error)),
            Err(_) => Err(Failure::TimedOut(self.timeout)),
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
