//! One server: the connection to it and its breaker.

use std::sync::Arc;

use super::{
    MemcachedOptions, MemcachedServer, commands::Commands, connection::Connection,
    pipeline::Failed, replies::Reply,
};
use crate::{StoreError, address::Address, guard::Guard, shared::Shared};

#[derive(Debug)]
pub(super) struct Server {
    pub(super) guard: Arc<Guard>,
    remote: Arc<Remote>,
}

#[derive(Debug)]
struct Remote {
    address: Address,
    connection: Shared<Connection>,
}

impl Server {
    pub(super) fn new(
        server: &MemcachedServer,
        options: &MemcachedOptions,
    ) -> Result<Self, StoreError> {
        let address = Address::parse(&server.address, 11211)?;
        let remote = Arc::new(Remote {
            address,
            connection: Shared::new(options.remote.deadline),
        });
        let for_probe = remote.clone();
        let probe = move || {
            let remote = for_probe.clone();
            Box::pin(async move {
                remote
                    .exchange(Commands::default().gets(b"policy-store"))
                    .await?;
                Ok(())
            }) as _
        };
        let name = format!("memcached {}", server.address);
        Ok(Self {
            guard: Guard::new(name, options.remote.clone(), Box::new(probe)),
            remote,
        })
    }

    /// Sends commands and reads one reply to each: within the guard's call.
    pub(super) async fn exchange(&self, commands: Commands) -> Result<Vec<Reply>, StoreError> {
        self.remote.exchange(commands).await
    }
}

impl Remote {
    async fn exchange(&self, commands: Commands) -> Result<Vec<Reply>, StoreError> {
        let commands = Arc::new(commands);
        let mut result = self.once(&commands).await;
        // The unused connection was closed meanwhile. Once more is safe: a server that was started again has forgotten all,
        // and one that closes unused connections has read nothing. One that had answered anybody may have done the command.
        if result.as_ref().is_err_and(|failed| failed.is_unanswered) {
            result = self.once(&commands).await;
        }
        result.map_err(|failed| failed.error)
    }

    async fn once(&self, commands: &Arc<Commands>) -> Result<Vec<Reply>, Failed> {
        // Once in a while; each call's future would be larger by this one.
        let connect = || Box::pin(Connection::open(&self.address));
        let mut using = self.connection.take(connect).await.map_err(Failed::from)?;
        let result = using.connection.exchange(commands.clone()).await;
        using.ended();
        result.map_err(|mut failed| {
            if failed.error.is_outage() {
                using.is_bad();
            }
            // One that was made for this call shows a server that is there and does not answer.
            failed.is_unanswered &= !using.is_new;
            failed
        })
    }
}
