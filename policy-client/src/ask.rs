//! Requests to a policy server, each with a limit of time; what is wrong is told in words.

use std::{error::Error, time::Duration};

use policy_net::{Client, Connector, Stream};
use policy_proto::{Request, Response};
use tokio::time::{Instant, timeout_at};

/// Asks one server, over one connection as long as that is well.
#[derive(Debug)]
pub(crate) struct Asker {
    connector: Connector,
    /// For each answer, connecting included.
    limit: Duration,
    client: Option<Client<Stream>>,
}

impl Asker {
    pub(crate) const fn new(connector: Connector, limit: Duration) -> Self {
        Self {
            connector,
            limit,
            client: None,
        }
    }

    /// Opens a connection for the next request.
    pub(crate) fn hang_up(&mut self) {
        self.client = None;
    }

    pub(crate) async fn ask(&mut self, request: &Request) -> Result<Response, String> {
        let deadline = Instant::now() + self.limit;
        let mut client = match self.client.take() {
            Some(client) => client,
            None => match self.connector.connect(self.limit).await {
                Ok(stream) => Client::new(stream),
                Err(error) => return Err(in_words(&error)),
            },
        };
        match timeout_at(deadline, client.ask(request)).await {
            Ok(Ok(response)) => {
                self.client = Some(client);
                Ok(response)
            }
            Ok(Err(error)) => Err(in_words(&error)),
            Err(_) => Err(format!("timed out after {:?}", self.limit)),
        }
    }
}

/// An error with its cause.
fn in_words(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
