//! MariaDB and MySQL.

use std::{fmt, sync::Arc, time::Duration};

use mysql_async::{Conn, Opts, OptsBuilder, Params, Statement, prelude::Queryable as _};

use super::RowLimit;
use crate::{
    Answer, Breaker, Dialect, Driver, Dsn, Row, Sql, SqlOptions, StoreError, Value, guard::Guard,
    pool::Pool, wall_clock::millis,
};

/// A connection that was unused for longer is asked whether it is there.
const TRUSTED: Duration = Duration::from_secs(1);

const UNKNOWN_VARIABLE: u16 = 1193;

/// A MariaDB or MySQL server. Connections are made when they are needed and kept; one whose answer did not come whole
/// is closed.
#[derive(Clone)]
pub struct Mysql {
    remote: Arc<Remote>,
    guard: Arc<Guard>,
}

struct Remote {
    connect: Opts,
    pool: Pool<Conn>,
    options: SqlOptions,
}

impl Mysql {
    /// Connects when it is asked something.
    ///
    /// # Errors
    ///
    /// A name of another kind of database.
    pub fn new(dsn: &Dsn, options: SqlOptions) -> Result<Self, StoreError> {
        if dsn.driver != Driver::Mysql {
            return Err(StoreError::Refused(format!("{} is not mysql", dsn.driver)));
        }
        let connect = OptsBuilder::default()
            .ip_or_hostname(dsn.host.as_deref().unwrap_or("127.0.0.1"))
            .tcp_port(dsn.port.unwrap_or(3306))
            .socket(dsn.socket.clone())
            .prefer_socket(false)
            .user(dsn.user.clone())
            .pass(
                dsn.password
                    .as_ref()
                    .map(|password| password.reveal().to_owned()),
            )
            .db_name(Some(dsn.database.clone()))
            .stmt_cache_size(64);
        let remote = Arc::new(Remote {
            connect: connect.into(),
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
    async fn connection(&self, kept: Option<(Conn, Duration)>) -> Result<Conn, StoreError> {
        if let Some((mut connection, unused)) = kept {
            if unused < TRUSTED || connection.ping().await.is_ok() {
                return Ok(connection);
            }
            self.pool.clear();
        }
        let mut connection = Conn::new(self.connect.clone()).await.map_err(error)?;
        self.limit_statements(&mut connection).await?;
        Ok(connection)
    }

    /// The server ends what nobody waits for any more. MariaDB and MySQL have different names for that.
    async fn limit_statements(&self, connection: &mut Conn) -> Result<(), StoreError> {
        let limit = millis(self.options.remote.deadline_to_tell());
        let mariadb = format!("SET SESSION max_statement_time = {}", limit as f64 / 1000.0);
        if self.options.read_only {
            let only = "SET SESSION TRANSACTION READ ONLY";
            connection.query_drop(only).await.map_err(error)?;
        }
        let mysql = format!("SET SESSION max_execution_time = {limit}");
        match connection.query_drop(mariadb).await {
            Err(mysql_async::Error::Server(error)) if error.code == UNKNOWN_VARIABLE => {
                connection.query_drop(mysql).await.map_err(self::error)
            }
            result => result.map_err(error),
        }
    }

    async fn rows(&self, query: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        let (lease, kept) = self.pool.take().await?;
        let mut connection = self.connection(kept).await?;
        let result = self.read(&mut connection, query, params).await;
        // What the server refuses leaves the connection in order.
        match &result {
            Ok(_) | Err(StoreError::Refused(_)) => lease.keep(connection),
            Err(StoreError::Connection(_)) => self.pool.clear(),
            Err(_) => {}
        }
        result
    }

    async fn read(
        &self,
        connection: &mut Conn,
        query: &str,
        params: &[Value],
    ) -> Result<Vec<Row>, StoreError> {
        let mut limit = RowLimit::new(self.options.max_rows, self.options.max_bytes);
        let statement = prepare(connection, query, params).await?;
        let mut found = connection
            .exec_iter(statement, bound(params))
            .await
            .map_err(error)?;
        let mut rows = Vec::new();
        while let Some(row) = found.next().await.map_err(error)? {
            let row: Row = row.unwrap().into_iter().map(value).collect();
            limit.count(&row)?;
            rows.push(row);
        }
        found.drop_result().await.map_err(error)?;
        Ok(rows)
    }

    async fn execute(&self, query: &str, params: &[Value]) -> Result<u64, StoreError> {
        let (lease, kept) = self.pool.take().await?;
        let mut connection = self.connection(kept).await?;
        let result = self.change(&mut connection, query, params).await;
        match &result {
            Ok(_) | Err(StoreError::Refused(_)) => lease.keep(connection),
            Err(_) => self.pool.clear(),
        }
        result
    }

    async fn change(
        &self,
        connection: &mut Conn,
        query: &str,
        params: &[Value],
    ) -> Result<u64, StoreError> {
        let statement = prepare(connection, query, params).await?;
        connection
            .exec_drop(statement, bound(params))
            .await
            .map_err(error)?;
        Ok(connection.affected_rows())
    }
}

/// The connection remembers it. It would be closed if values were too few or too many.
async fn prepare(
    connection: &mut Conn,
    query: &str,
    params: &[Value],
) -> Result<Statement, StoreError> {
    let statement = connection.prep(query).await.map_err(error)?;
    let (wanted, given) = (usize::from(statement.num_params()), params.len());
    if wanted != given {
        return Err(StoreError::Refused(format!(
            "{wanted} placeholders, but {given} values"
        )));
    }
    Ok(statement)
}

impl Sql for Mysql {
    fn rows<'a>(&'a self, query: &'a str, params: &'a [Value]) -> Answer<'a, Vec<Row>> {
        Box::pin(self.guard.call(self.remote.rows(query, params)))
    }

    fn execute<'a>(&'a self, query: &'a str, params: &'a [Value]) -> Answer<'a, u64> {
        Box::pin(self.guard.call(self.remote.execute(query, params)))
    }

    fn dialect(&self) -> Dialect {
        Dialect::Mysql
    }

    fn deadline(&self) -> Duration {
        self.remote.options.remote.deadline
    }

    fn breaker(&self) -> &Breaker {
        self.guard.breaker()
    }
}

impl fmt::Debug for Mysql {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.guard.fmt(formatter)
    }
}

fn bound(params: &[Value]) -> Params {
    if params.is_empty() {
        return Params::Empty;
    }
    let bound = params.iter().map(|value| match value {
        Value::Null => mysql_async::Value::NULL,
        Value::Int(number) => mysql_async::Value::Int(*number),
        Value::Float(number) => mysql_async::Value::Double(*number),
        Value::Bytes(bytes) => mysql_async::Value::Bytes(bytes.clone()),
    });
    Params::Positional(bound.collect())
}

/// Times as the server would print them.
fn value(value: mysql_async::Value) -> Value {
    use mysql_async::Value as Their;
    match value {
        Their::NULL => Value::Null,
        Their::Bytes(bytes) => Value::Bytes(bytes),
        Their::Int(number) => Value::Int(number),
        Their::UInt(number) => {
            i64::try_from(number).map_or_else(|_| number.to_string().as_str().into(), Value::Int)
        }
        Their::Float(number) => {
            // By its digits: 0.1 stays 0.1.
            let text = number.to_string();
            text.parse()
                .map_or_else(|_| text.as_str().into(), Value::Float)
        }
        Their::Double(number) => Value::Float(number),
        Their::Date(year, month, day, hour, minute, second, micros) => {
            let date = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
            Value::Bytes((date + &fraction(micros)).into_bytes())
        }
        Their::Time(is_negative, days, hours, minutes, seconds, micros) => {
            let sign = if is_negative { "-" } else { "" };
            let hours = u64::from(days) * 24 + u64::from(hours);
            let time = format!("{sign}{hours:02}:{minutes:02}:{seconds:02}");
            Value::Bytes((time + &fraction(micros)).into_bytes())
        }
    }
}

fn fraction(micros: u32) -> String {
    if micros == 0 {
        String::new()
    } else {
        format!(".{micros:06}")
    }
}

/// The error of the server, or of the connection. Neither holds the password.
fn error(error: mysql_async::Error) -> StoreError {
    match error {
        mysql_async::Error::Server(error) => match error.code {
            1044 | 1045 | 1698 => StoreError::Login(error.to_string()),
            // Too many connections, shutting down, read only, a lock, a statement that took too long.
            1040 | 1041 | 1053 | 1077 | 1079 | 1203 | 1205 | 1213 | 1226 | 1290 | 1836 | 1969
            | 3024 => StoreError::NotServing(error.to_string()),
            _ => StoreError::Refused(error.to_string()),
        },
        mysql_async::Error::Io(mysql_async::IoError::Io(error)) => error.into(),
        other => StoreError::from(std::io::Error::other(other.to_string())),
    }
}
