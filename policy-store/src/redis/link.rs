//! Where a server is, and the connection to it that all calls share.

use std::{fmt, time::Duration};

use redis::{
    ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo as _, RedisConnectionInfo,
    RedisError, aio::MultiplexedConnection,
};

use super::{
    RedisOptions,
    error::error,
    job::{Job, Reply},
    open::open,
    sentinel::connect_primary,
};
use crate::{
    Secret, StoreError,
    address::Address,
    shared::{Driven, Shared, Use},
};

pub(super) struct Link {
    server: Server,
    settings: RedisConnectionInfo,
    deadline: Duration,
    connection: Shared<MultiplexedConnection>,
}

enum Server {
    At(ConnectionAddr),
    /// Sentinels know it by this name.
    Named(Vec<ConnectionInfo>, String),
}

impl Link {
    /// To the server at this address.
    pub(super) fn to(address: Address, settings: RedisConnectionInfo, deadline: Duration) -> Self {
        Self::new(Server::At(address.into()), settings, deadline)
    }

    /// To the primary that sentinels know by this name.
    pub(super) fn named(
        sentinels: Vec<ConnectionInfo>,
        service: String,
        settings: RedisConnectionInfo,
        deadline: Duration,
    ) -> Self {
        Self::new(Server::Named(sentinels, service), settings, deadline)
    }

    fn new(server: Server, settings: RedisConnectionInfo, deadline: Duration) -> Self {
        Self {
            server,
            settings,
            deadline,
            connection: Shared::new(deadline),
        }
    }

    /// Asks the server.
    pub(super) async fn ask<T: FromRedisValue>(&self, job: Job<'_>) -> Result<T, StoreError> {
        let (using, result) = self.exchange(job, false).await?;
        result.map_err(|found| failed(&using, found))
    }

    /// Asks the server as a node of a cluster, which may name another one.
    pub(super) async fn ask_node<T: FromRedisValue>(
        &self,
        job: Job<'_>,
        asking: bool,
    ) -> Result<Reply<T>, StoreError> {
        let (using, result) = self.exchange(job, asking).await?;
        Reply::of(result).map_err(|found| failed(&using, found))
    }

    async fn exchange<T: FromRedisValue>(
        &self,
        job: Job<'_>,
        asking: bool,
    ) -> Result<(Use<'_, MultiplexedConnection>, Result<T, RedisError>), StoreError> {
        let mut using = self.connection.take(|| self.connect()).await?;
        let result = job.run(&mut using.connection, asking).await;
        using.ended();
        Ok((using, result))
    }

    async fn connect(&self) -> Result<Driven<MultiplexedConnection>, StoreError> {
        match &self.server {
            Server::At(address) => {
                let server = info(address.clone(), &self.settings)?;
                open(server, self.deadline).await
            }
            Server::Named(sentinels, service) => {
                let server = |address| info(address, &self.settings);
                let wait = self.deadline / 3;
                connect_primary(sentinels, service, server, wait).await
            }
        }
    }
}

/// The connection has failed, or its server is no primary any more: the next call has another one.
fn failed(using: &Use<'_, MultiplexedConnection>, found: RedisError) -> StoreError {
    let failure = error(found);
    if failure.is_outage() {
        using.is_bad();
    }
    failure
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Link").finish_non_exhaustive()
    }
}

/// How the servers are logged in to; a database is no part of it.
pub(super) fn login(options: &RedisOptions) -> RedisConnectionInfo {
    login_as(options.user.as_deref(), options.password.as_ref())
}

pub(super) fn login_as(user: Option<&str>, password: Option<&Secret>) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default();
    if let Some(user) = user {
        login = login.set_username(user);
    }
    if let Some(password) = password {
        login = login.set_password(password.reveal());
    }
    login
}

pub(super) fn info(
    address: ConnectionAddr,
    settings: &RedisConnectionInfo,
) -> Result<ConnectionInfo, StoreError> {
    let info = address.into_connection_info().map_err(error)?;
    Ok(info.set_redis_settings(settings.clone()))
}

impl From<Address> for ConnectionAddr {
    fn from(address: Address) -> Self {
        match address {
            Address::Inet(host, port) => Self::Tcp(host, port),
            Address::Unix(path) => Self::Unix(path),
        }
    }
}
