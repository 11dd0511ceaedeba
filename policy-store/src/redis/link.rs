//! The connection to Redis that all calls share, made again when it is of no use.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use redis::{
    Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, Script, ServerErrorKind,
    aio::ConnectionLike,
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
};
use tokio::{sync::Mutex, time::Instant};

use super::{
    RedisOptions, RedisServers,
    error::error,
    open::{Single, open},
    sentinel::connect_primary,
};
use crate::{Secret, StoreError, address::Address};

pub(super) struct Link {
    servers: Servers,
    settings: RedisConnectionInfo,
    deadline: Duration,
    /// The call that connects has it; the others wait, within their own deadlines.
    current: Mutex<Option<(u64, Connection)>>,
    /// The connection that a call waited too long for: its server may be gone without a word.
    suspect: AtomicU64,
    made: AtomicU64,
}

enum Servers {
    One(ConnectionAddr),
    Sentinels(Vec<ConnectionInfo>, String),
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
enum Connection {
    One(Single),
    Cluster(ClusterConnection),
}

impl Link {
    pub(super) fn new(options: &RedisOptions) -> Result<Self, StoreError> {
        let deadline = options.remote.deadline;
        let login = login(options.user.as_deref(), options.password.as_ref());
        let servers = match &options.servers {
            RedisServers::One(text) => Servers::One(address(text, 6379)?),
            RedisServers::Sentinels {
                addresses,
                service,
                password,
            } => {
                let login = self::login(None, password.as_ref());
                let sentinel = |text: &String| info(address(text, 26379)?, &login);
                let sentinels: Result<Vec<_>, _> = addresses.iter().map(sentinel).collect();
                Servers::Sentinels(sentinels?, service.clone())
            }
            RedisServers::Cluster(texts) => {
                let node = |text: &String| info(address(text, 6379)?, &login);
                let nodes: Result<Vec<_>, _> = texts.iter().map(node).collect();
                Servers::Cluster(Box::new(cluster(nodes?, deadline)?))
            }
        };
        Ok(Self {
            servers,
            settings: login.set_db(options.database.into()),
            deadline,
            current: Mutex::default(),
            suspect: AtomicU64::new(0),
            made: AtomicU64::new(0),
        })
    }

    /// Runs one command.
    pub(super) async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let (number, connection) = self.connection().await?;
        let mut use_of = Use::new(self, number);
        let result = match connection {
            Connection::One(mut one) => command.query_async(&mut one.connection).await,
            Connection::Cluster(mut connection) => command.query_async(&mut connection).await,
        };
        use_of.ended();
        self.judge(number, result).await
    }

    /// Runs a script by its call, which names it; the script is sent if the server does not have it.
    pub(super) async fn script<T: FromRedisValue>(
        &self,
        script: &Script,
        call: &Cmd,
    ) -> Result<T, StoreError> {
        let (number, connection) = self.connection().await?;
        let mut use_of = Use::new(self, number);
        let result = match connection {
            Connection::One(mut one) => run(script, call, &mut one.connection).await,
            Connection::Cluster(mut connection) => run(script, call, &mut connection).await,
        };
        use_of.ended();
        self.judge(number, result).await
    }

    async fn connection(&self) -> Result<(u64, Connection), StoreError> {
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

    async fn connect(&self) -> Result<Connection, StoreError> {
        Ok(match &self.servers {
            Servers::One(address) => {
                let server = info(address.clone(), &self.settings)?;
                Connection::One(open(server, self.deadline).await?)
            }
            Servers::Sentinels(sentinels, service) => {
                let server = |address| info(address, &self.settings);
                let wait = self.deadline / 3;
                Connection::One(connect_primary(sentinels, service, server, wait).await?)
            }
            Servers::Cluster(client) => {
                Connection::Cluster(client.get_async_connection().await.map_err(error)?)
            }
        })
    }

    /// Forgets a connection that failed, or whose server is no primary any more.
    async fn judge<T>(&self, number: u64, result: Result<T, RedisError>) -> Result<T, StoreError> {
        let failure = match result {
            Ok(value) => return Ok(value),
            Err(found) => error(found),
        };
        let is_cluster = matches!(self.servers, Servers::Cluster(_));
        if failure.is_outage() && !is_cluster {
            let mut current = self.current.lock().await;
            if current.as_ref().is_some_and(|(of, _)| *of == number) {
                *current = None;
            }
        }
        Err(failure)
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

/// The library's own call of a script copies each argument twice.
async fn run<T: FromRedisValue>(
    script: &Script,
    call: &Cmd,
    connection: &mut impl ConnectionLike,
) -> Result<T, RedisError> {
    match call.query_async(connection).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            script.prepare_invoke().load_async(connection).await?;
            call.query_async(connection).await
        }
        result => result,
    }
}

fn cluster(nodes: Vec<ConnectionInfo>, deadline: Duration) -> Result<ClusterClient, StoreError> {
    ClusterClientBuilder::new(nodes)
        .connection_timeout(deadline)
        .response_timeout(deadline)
        .build()
        .map_err(error)
}

fn login(user: Option<&str>, password: Option<&Secret>) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default();
    if let Some(user) = user {
        login = login.set_username(user);
    }
    if let Some(password) = password {
        login = login.set_password(password.reveal());
    }
    login
}

fn address(text: &str, default_port: u16) -> Result<ConnectionAddr, StoreError> {
    Ok(match Address::parse(text, default_port)? {
        Address::Inet(host, port) => ConnectionAddr::Tcp(host, port),
        Address::Unix(path) => ConnectionAddr::Unix(path),
    })
}

fn info(
    address: ConnectionAddr,
    settings: &RedisConnectionInfo,
) -> Result<ConnectionInfo, StoreError> {
    let info = address.into_connection_info().map_err(error)?;
    Ok(info.set_redis_settings(settings.clone()))
}
