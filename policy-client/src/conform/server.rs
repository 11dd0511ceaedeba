//! The server under test: how it is reached, and how long is waited for it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use policy_net::Connector;

use super::{
    connection::{Answer, Connection},
    times::Times,
    verdict::Miss,
};

/// The server under test.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) connector: Connector,
    pub(crate) times: Times,
    /// How many connections are opened at once where many are.
    pub(crate) connections: usize,
    /// Nobody listens any more.
    pub(crate) has_ended: AtomicBool,
}

impl Server {
    pub(crate) async fn connect(&self) -> Result<Connection, Miss> {
        let connected = self.connector.connect(self.times.answer).await;
        match connected {
            Ok(stream) => Ok(Connection::new(stream, self.times)),
            Err(error) => Miss::failed(format!("cannot connect: {error}")),
        }
    }

    /// Asks on a connection of its own.
    pub(crate) async fn ask(&self, request: &[u8]) -> Result<Answer, Miss> {
        self.connect().await?.ask(request).await
    }

    /// Many connections, all open at once.
    pub(crate) async fn connect_many(&self, count: usize) -> Result<Vec<Connection>, Miss> {
        let mut all = Vec::with_capacity(count);
        for number in 1..=count {
            match self.connect().await {
                Ok(connection) => all.push(connection),
                Err(Miss::Failed(why)) => {
                    return Miss::failed(format!("connection {number}: {why}"));
                }
                Err(skipped) => return Err(skipped),
            }
        }
        Ok(all)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// Whether it turns out now that nobody listens any more.
    pub(crate) async fn is_found_ended(&self) -> bool {
        self.connect().await.is_err() && !self.has_ended.swap(true, Ordering::Relaxed)
    }

    /// Whether a connection is served while another one is idle.
    pub(crate) async fn is_concurrent(self: &Arc<Self>, request: &[u8]) -> bool {
        let Ok(idle) = self.connect().await else {
            return false;
        };
        let answered = self.ask(request).await.is_ok();
        drop(idle);
        answered
    }
}
