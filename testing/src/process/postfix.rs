//! A client that repeats a request as Postfix does.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::Client;

/// A client that does what Postfix's `attr_clnt.c` does: it keeps its connection for a while, looks
/// before each request whether something has come over it, and if so, or if no reply comes, sleeps for
/// a second and tries once more over a new one. Each such repeat is counted.
#[derive(Debug)]
pub struct Postfix {
    endpoint: String,
    connection: Option<(Client, Instant)>,
    /// How long it keeps a connection.
    pub max_ttl: Duration,
    pub repeats: Vec<String>,
    pub connections: usize,
}

impl Postfix {
    pub fn new(endpoint: &str, max_ttl: Duration) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            connection: None,
            max_ttl,
            repeats: Vec::new(),
            connections: 0,
        }
    }

    /// The answer to a request; `None` when the second try has failed too.
    pub fn ask(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        for _ in 0..2 {
            match self.try_ask(request) {
                Ok(reply) => return Some(reply),
                Err(why) => {
                    self.repeats.push(why);
                    self.connection = None;
                    thread::sleep(Duration::from_secs(1));
                }
            }
        }
        None
    }

    fn try_ask(&mut self, request: &[u8]) -> Result<Vec<u8>, String> {
        let max_ttl = self.max_ttl;
        self.connection
            .take_if(|(_, since)| since.elapsed() > max_ttl);
        let (client, _) = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let client = Client::try_connect(&self.endpoint);
                let client = client.map_err(|error| format!("connecting: {error}"))?;
                self.connections += 1;
                none.insert((client, Instant::now()))
            }
        };
        if client.is_readable() {
            return Err("the connection is readable before a request".to_owned());
        }
        client
            .write_all(request)
            .map_err(|error| format!("sending: {error}"))?;
        client.reply().ok_or_else(|| "no reply".to_owned())
    }
}
