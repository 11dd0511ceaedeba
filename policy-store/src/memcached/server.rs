//! One server: its connections and its breaker.

use std::sync::Arc;

use super::{
    MemcachedOptions, MemcachedServer,
    connection::Connection,
    protocol::{Expect, Reply},
};
use crate::{StoreError, address::Address, guard::Guard, pool::Pool};

#[derive(Debug)]
pub(super) struct Server {
    pub(super) guard: Arc<Guard>,
    remote: Arc<Remote>,
}

#[derive(Debug)]
struct Remote {
    address: Address,
    pool: Pool<Connection>,
}

impl Server {
    pub(super) fn new(
        server: &MemcachedServer,
        options: &MemcachedOptions,
    ) -> Result<Self, StoreError> {
        let address = Address::parse(&server.address, 11211)?;
        let remote = Arc::new(Remote {
            address,
            pool: Pool::new(options.max_connections),
        });
        let for_probe = remote.clone();
        let probe = move || {
            let remote = for_probe.clone();
            Box::pin(async move {
                remote
                    .exchange(b"gets policy-store\r\n", &[Expect::Value(b"policy-store")])
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
    pub(super) async fn exchange(
        &self,
        commands: &[u8],
        expected: &[Expect<'_>],
    ) -> Result<Vec<Reply>, StoreError> {
        self.remote.exchange(commands, expected).await
    }
}

impl Remote {
    async fn exchange(
        &self,
        commands: &[u8],
        expected: &[Expect<'_>],
    ) -> Result<Vec<Reply>, StoreError> {
        let (lease, kept) = self.pool.take().await?;
        if let Some((mut connection, _)) = kept.filter(|(connection, _)| connection.is_quiet()) {
            match connection.exchange(commands, expected).await {
                Ok(replies) => {
                    lease.keep(connection);
                    return Ok(replies);
                }
                // The connection was closed meanwhile, and the others too. Once more is safe: a server that was started again has
                // forgotten all, and one that closes unused connections has read nothing. If a reply had begun, the
                // command was done.
                Err(StoreError::Connection(_)) if connection.is_unanswered() => self.pool.clear(),
                Err(error) => return Err(error),
            }
        }
        // Once in a while; each call's future would be larger by this one.
        let mut connection = Box::pin(Connection::open(&self.address)).await?;
        let replies = connection.exchange(commands, expected).await?;
        lease.keep(connection);
        Ok(replies)
    }
}
