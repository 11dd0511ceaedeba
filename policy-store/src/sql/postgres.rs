//! PostgreSQL.

mod cell;
mod session;

use std::{fmt, path::Path, sync::Arc, time::Duration};

use tokio_postgres::{Config, error::SqlState};

use self::session::Session;
use super::RowLimit;
use crate::{
    Answer, Breaker, Dialect, Driver, Dsn, Row, Sql, SqlOptions, StoreError, Value, guard::Guard,
    pool::Pool, wall_clock::millis,
};

/// A PostgreSQL server. Connections are made when they are needed and kept; one whose answer did not come whole is
/// closed. A `?` outside of quotes and comments is a placeholder; the operator is written `??`.
#[derive(Clone)]
pub struct Postgres {
    remote: Arc<Remote>,
    guard: Arc<Guard>,
}

struct Remote {
    connect: Config,
    pool: Pool<Session>,
    options: SqlOptions,
}

impl Postgres {
    /// Connects when it is asked something.
    ///
    /// # Errors
    ///
    /// A name of another kind of database.
    pub fn new(dsn: &Dsn, options: SqlOptions) -> Result<Self, StoreError> {
        if dsn.driver != Driver::Postgres {
            return Err(StoreError::Refused(format!(
                "{} is not postgres",
                dsn.driver
            )));
        }
        let mut connect = Config::new();
        match &dsn.socket {
            Some(directory) => connect.host_path(Path::new(directory)),
            None => connect.host(dsn.host.as_deref().unwrap_or("127.0.0.1")),
        };
        if let Some(port) = dsn.port {
            connect.port(port);
        }
        if let Some(user) = &dsn.user {
            connect.user(user);
        }
        if let Some(password) = &dsn.password {
            connect.password(password.reveal());
        }
        // The server ends what nobody waits for any more.
        let limit = millis(options.remote.deadline_to_tell());
        let only = if options.read_only {
            " -c default_transaction_read_only=on"
        } else {
            ""
        };
        let limit = format!("-c statement_timeout={limit}{only}");
        connect
            .dbname(&dsn.database)
            .options(&limit)
            .application_name("policy-store");
        let remote = Arc::new(Remote {
            connect,
            pool: Pool::new(options.max_connections),
            options: options.clone(),
        });
        let for_probe = remote.clone();
        let probe = move || {
            let remote = for_probe.clone();
            Box::pin(async move { remote.rows("SELECT 1", &[]).await.map(|_| ()) }) as _
        };
        let guard = Guard::new(dsn.remote_name(), options.remote, Box::new(probe));
        Ok(Self { remote, guard })
    }
}

impl Remote {
    async fn session(&self, kept: Option<(Session, Duration)>) -> Result<Session, StoreError> {
        if let Some((session, _)) = kept {
            if !session.is_closed() {
                return Ok(session);
            }
            self.pool.clear();
        }
        Session::open(&self.connect).await
    }

    async fn rows(&self, query: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        let (lease, kept) = self.pool.take().await?;
        let session = self.session(kept).await?;
        let limit = RowLimit::new(self.options.max_rows, self.options.max_bytes);
        let result = session.rows(query, params, limit).await;
        // What the server refuses leaves the connection in order.
        match &result {
            Ok(_) | Err(StoreError::Refused(_)) => lease.keep(session),
            Err(StoreError::TooLarge { .. }) => {}
            Err(_) => self.pool.clear(),
        }
        result
    }

    async fn execute(&self, query: &str, params: &[Value]) -> Result<u64, StoreError> {
        let (lease, kept) = self.pool.take().await?;
        let session = self.session(kept).await?;
        let result = session.execute(query, params).await;
        match &result {
            Ok(_) | Err(StoreError::Refused(_)) => lease.keep(session),
            Err(_) => self.pool.clear(),
        }
        result
    }
}

impl Sql for Postgres {
    fn rows<'a>(&'a self, query: &'a str, params: &'a [Value]) -> Answer<'a, Vec<Row>> {
        Box::pin(self.guard.call(self.remote.rows(query, params)))
    }

    fn execute<'a>(&'a self, query: &'a str, params: &'a [Value]) -> Answer<'a, u64> {
        Box::pin(self.guard.call(self.remote.execute(query, params)))
    }

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn deadline(&self) -> Duration {
        self.remote.options.remote.deadline
    }

    fn breaker(&self) -> &Breaker {
        self.guard.breaker()
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.guard.fmt(formatter)
    }
}

/// The error of the server, or of the connection.
fn error(error: tokio_postgres::Error) -> StoreError {
    let Some(db) = error.as_db_error() else {
        let cause = std::error::Error::source(&error);
        // Of a question that could not be put, such as a value that no parameter can have.
        if !error.is_closed() && cause.is_some_and(|cause| !cause.is::<std::io::Error>()) {
            let text = cause.map(ToString::to_string).unwrap_or_default();
            return StoreError::Refused(format!("{error}: {text}"));
        }
        let text = cause.map_or_else(|| error.to_string(), ToString::to_string);
        return StoreError::from(std::io::Error::other(text));
    };
    let text = format!("{}: {}", db.severity(), db.message());
    let code = db.code();
    match code.code().get(..2) {
        Some("28") => StoreError::Login(text),
        // Connections, resources, the operator.
        Some("08" | "53" | "57" | "58" | "XX") => StoreError::NotServing(text),
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION
            || *code == SqlState::LOCK_NOT_AVAILABLE
            || *code == SqlState::T_R_DEADLOCK_DETECTED
            || *code == SqlState::T_R_SERIALIZATION_FAILURE =>
        {
            StoreError::NotServing(text)
        }
        _ => StoreError::Refused(text),
    }
}
