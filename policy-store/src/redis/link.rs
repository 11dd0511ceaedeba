//! The connection to a server that all calls share, made again when it is of no use.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use redis::{
    ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo as _, RedisConnectionInfo,
    RedisError,
};
use tokio::{sync::Mutex, time::Instant};

use super::{
    RedisOptions,
    error::error,
    job::{Job, Reply},
    open::{Single, open},
    sentinel::connect_primary,
};
use crate::{Secret, StoreError, address::Address};

pub(super) struct Link {
    server: Server,
    settings: RedisConnectionInfo,
    deadline: Duration,
    /// The call that connects has it; the others wait, within their own deadlines.
    current: Mutex<Option<(u64, Single)>>,
    /// The connection that a call waited too long for: its server may be gone without a word.
    suspect: AtomicU64,
    made: AtomicU64,
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
            current: Mutex::default(),
            suspect: AtomicU64::new(0),
            made: AtomicU64::new(0),
        }
    }

    /// Asks the server.
    pub(super) async fn ask<T: FromRedisValue>(&self, job: Job<'_>) -> Result<T, StoreError> {
        let (number, result) = self.exchange(job, false).await?;
        match result {
            Ok(value) => Ok(value),
            Err(found) => Err(self.failed(number, found).await),
        }
    }

    /// Asks the server as a node of a cluster, which may name another one.
    pub(super) async fn ask_node<T: FromRedisValue>(
        &self,
        job: Job<'_>,
        asking: bool,
    ) -> Result<Reply<T>, StoreError> {
        let (number, result) = self.exchange(job, asking).await?;
        match Reply::of(result) {
            Ok(reply) => Ok(reply),
            Err(found) => Err(self.failed(number, found).await),
        }
    }

    async fn exchange<T: FromRedisValue>(
        &self,
        job: Job<'_>,
        asking: bool,
    ) -> Result<(u64, Result<T, RedisError>), StoreError> {
        let (number, mut single) = self.connection().await?;
        let mut use_of = Use::new(self, number);
        let result = job.run(&mut single.connection, asking).await;
        use_of.ended();
        Ok((number, result))
    }

    async fn connection(&self) -> Result<(u64, Single), StoreError> {
        let mut current = self.current.lock().await;
        let suspect = self.suspect.load(Ordering::Relaxed);
        if let Some((number, connection)) = &*current
            && *number != suspect
        {
            return Ok((*number, connection.clone()));
        }
        // What others still wait for over the old one comes, or does not.
        *current = None;
        let connection = self.connect().await?;
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        *current = Some((number, connection.clone()));
        Ok((number, connection))
    }

    async fn connect(&self) -> Result<Single, StoreError> {
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

    /// Forgets a connection that failed, or whose server is no primary any more.
    async fn failed(&self, number: u64, found: RedisError) -> StoreError {
        let failure = error(found);
        if failure.is_outage() {
            let mut current = self.current.lock().await;
            if current.as_ref().is_some_and(|(of, _)| *of == number) {
                *current = None;
            }
        }
        failure
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Link").finish_non_exhaustive()
    }
}

/// One use of the connection. If it is given up after a good part of the deadline, the connection is suspect.
struct Use<'a> {
    link: &'a Link,
    number: u64,
    begin: Instant,
    has_ended: bool,
}

impl<'a> Use<'a> {
    fn new(link: &'a Link, number: u64) -> Self {
        Self {
            link,
            number,
            begin: Instant::now(),
            has_ended: false,
        }
    }

    fn ended(&mut self) {
        self.has_ended = true;
    }
}

impl Drop for Use<'_> {
    fn drop(&mut self) {
        if !self.has_ended && self.begin.elapsed() >= self.link.deadline / 2 {
            self.link.suspect.store(self.number, Ordering::Relaxed);
        }
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
