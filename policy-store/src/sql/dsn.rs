//! Names of databases: DBI's, and URLs.

mod conninfo;

use std::fmt;

use crate::Secret;
#[cfg(any(feature = "mysql", feature = "postgres"))]
use crate::address::Address;

/// Which kind of database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Driver {
    /// `dbi:SQLite:`, `sqlite:`.
    Sqlite,
    /// `dbi:mysql:`, `dbi:MariaDB:`, `mysql://`, `mariadb://`.
    Mysql,
    /// `dbi:Pg:`, `postgres://`, `postgresql://`.
    Postgres,
}

/// A database, as a configuration names it.
///
/// ```
/// use policy_store::{Driver, Dsn};
///
/// let dsn: Dsn = "dbi:mysql:database=mail;host=db.example;port=3307".parse()?;
/// assert_eq!(dsn.driver, Driver::Mysql);
/// assert_eq!((dsn.database.as_str(), dsn.host.as_deref(), dsn.port), ("mail", Some("db.example"), Some(3307)));
/// # Ok::<(), policy_store::InvalidDsn>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Dsn {
    /// The kind of database.
    pub driver: Driver,
    /// Its name; for SQLite the path of the file.
    pub database: String,
    /// The server's name or address. None is the server of this host: its UNIX socket if there is one named, else
    /// 127.0.0.1.
    pub host: Option<String>,
    /// The server's port. None is 3306 or 5432.
    pub port: Option<u16>,
    /// The server's UNIX socket; for PostgreSQL the directory that it is in.
    pub socket: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// Settings that mean nothing here, such as `mysql_enable_utf8`.
    pub ignored: Vec<String>,
}

/// Why a name was refused. It does not repeat the name, which may hold a password.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDsn {
    /// Neither DBI's form nor a URL.
    #[error("neither dbi:DRIVER:... nor a URL")]
    Syntax,
    /// A driver that there is none for.
    #[error("no driver `{0}`: SQLite, mysql, MariaDB and Pg are known")]
    Driver(String),
    /// No database.
    #[error("no database is named")]
    Database,
    /// A port that is none.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// A `%` without two digits after it, or a zero byte.
    #[error("an escape of the URL is none")]
    Escape,
    /// An encrypted connection is asked for.
    #[error("`{0}` asks for TLS, which there is none of here: use a UNIX socket or a tunnel")]
    Tls(String),
}

impl std::str::FromStr for Dsn {
    type Err = InvalidDsn;

    fn from_str(text: &str) -> Result<Self, InvalidDsn> {
        let scheme_is_dbi = text
            .get(..4)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("dbi:"));
        let dsn = if scheme_is_dbi {
            dbi(text.get(4..).unwrap_or_default())
        } else {
            url(text)
        }?;
        if dsn.database.is_empty() {
            return Err(InvalidDsn::Database);
        }
        let texts = [
            Some(&dsn.database),
            dsn.host.as_ref(),
            dsn.socket.as_ref(),
            dsn.user.as_ref(),
        ];
        if texts.into_iter().flatten().any(|text| text.contains('\0')) {
            return Err(InvalidDsn::Escape);
        }
        Ok(dsn)
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Mysql => "mysql",
            Self::Postgres => "postgres",
        })
    }
}

impl Dsn {
    fn new(driver: Driver) -> Self {
        Self {
            driver,
            database: String::new(),
            host: None,
            port: None,
            socket: None,
            user: None,
            password: None,
            ignored: Vec::new(),
        }
    }

    /// The remote's name for people: no user, no password.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(crate) fn remote_name(&self) -> String {
        let Self {
            driver, database, ..
        } = self;
        if let Some(socket) = &self.socket {
            return format!("{driver} {socket} {database}");
        }
        let host = self.host.as_deref().unwrap_or("127.0.0.1");
        let usual = match driver {
            Driver::Mysql => 3306,
            _ => 5432,
        };
        let address = Address::Inet(host.to_owned(), self.port.unwrap_or(usual));
        format!("{driver} {address} {database}")
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), InvalidDsn> {
        let is_sqlite = self.driver == Driver::Sqlite;
        match key.to_ascii_lowercase().as_str() {
            "database" | "dbname" | "db" => self.database = value.to_owned(),
            "host" | "hostname" | "hostaddr" if !is_sqlite => self.set_host(value),
            "port" if !is_sqlite => self.port = Some(port(value)?),
            "mysql_socket" | "mariadb_socket" | "socket" if self.driver == Driver::Mysql => {
                self.socket = Some(value.to_owned());
            }
            "user" | "username" if !is_sqlite => self.user = Some(value.to_owned()),
            "password" if !is_sqlite => self.password = Some(value.into()),
            "sslmode" if !matches!(value, "disable" | "allow" | "prefer") => {
                return Err(InvalidDsn::Tls(format!("sslmode={value}")));
            }
            key @ ("mysql_ssl" | "mariadb_ssl") if value != "0" => {
                return Err(InvalidDsn::Tls(format!("{key}={value}")));
            }
            _ => self.ignored.push(key.to_owned()),
        }
        Ok(())
    }

    /// A path in the place of a host is a socket's, in PostgreSQL's own way. An empty one is none.
    fn set_host(&mut self, value: &str) {
        if value.starts_with('/') {
            self.socket = Some(value.to_owned());
        } else if !value.is_empty() {
            self.host = Some(value.to_owned());
        }
    }
}

/// `DRIVER:...`, also with attributes of the handle, which mean nothing here: `DRIVER(RaiseError=>1):...`.
fn dbi(text: &str) -> Result<Dsn, InvalidDsn> {
    let (driver, rest) = text.split_once(':').ok_or(InvalidDsn::Syntax)?;
    let name = driver.split('(').next().unwrap_or_default();
    let driver = match name.to_ascii_lowercase().as_str() {
        "sqlite" => Driver::Sqlite,
        "mysql" | "mariadb" => Driver::Mysql,
        "pg" => Driver::Postgres,
        _ => return Err(InvalidDsn::Driver(name.chars().take(40).collect())),
    };
    let mut dsn = Dsn::new(driver);
    if !rest.contains('=') {
        set_positions(&mut dsn, rest)?;
        return Ok(dsn);
    }
    if driver == Driver::Postgres {
        conninfo::set_all(&mut dsn, rest)?;
        return Ok(dsn);
    }
    for item in rest.split(';').filter(|item| !item.is_empty()) {
        match item.split_once('=') {
            Some((key, value)) => dsn.set(key.trim(), value)?,
            // DBD::mysql: the first one may be the database alone.
            None if dsn.database.is_empty() => set_positions(&mut dsn, item)?,
            None => dsn.ignored.push(WITHOUT_VALUE.to_owned()),
        }
    }
    Ok(dsn)
}

/// `DATABASE`, or DBD::mysql's `DATABASE:HOST:PORT`.
fn set_positions(dsn: &mut Dsn, text: &str) -> Result<(), InvalidDsn> {
    if dsn.driver == Driver::Sqlite {
        dsn.database = text.to_owned();
        return Ok(());
    }
    let mut parts = text.splitn(3, ':');
    dsn.database = parts.next().unwrap_or_default().to_owned();
    if let Some(host) = parts.next() {
        dsn.set_host(host);
    }
    dsn.port = parts.next().map(port).transpose()?;
    Ok(())
}

fn url(text: &str) -> Result<Dsn, InvalidDsn> {
    let (scheme, rest) = text.split_once(':').ok_or(InvalidDsn::Syntax)?;
    let driver = match scheme.to_ascii_lowercase().as_str() {
        "sqlite" => Driver::Sqlite,
        "mysql" | "mariadb" => Driver::Mysql,
        "postgres" | "postgresql" => Driver::Postgres,
        _ => return Err(InvalidDsn::Syntax),
    };
    let mut dsn = Dsn::new(driver);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if driver == Driver::Sqlite {
        dsn.database = unescape(rest.strip_prefix("//").unwrap_or(rest))?;
    } else {
        let rest = rest.strip_prefix("//").ok_or(InvalidDsn::Syntax)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // A slash in a password ends the host too early: what follows is no name of a database.
        if path.contains(['/', '@']) {
            return Err(InvalidDsn::Syntax);
        }
        dsn.database = unescape(path)?;
        // A password may hold an `@` that is not escaped; a host does not.
        let (login, host) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(l, h)| (Some(l), h));
        if let Some(login) = login {
            let (user, password) = login
                .split_once(':')
                .map_or((login, None), |(u, p)| (u, Some(p)));
            dsn.user = Some(unescape(user)?);
            dsn.password = password.map(unescape).transpose()?.map(Secret::from);
        }
        set_authority(&mut dsn, host)?;
    }
    for item in query.split('&').filter(|item| !item.is_empty()) {
        match item.split_once('=') {
            Some((key, value)) => dsn.set(&unescape(key)?, &unescape(value)?)?,
            None => dsn.ignored.push(WITHOUT_VALUE.to_owned()),
        }
    }
    Ok(dsn)
}

/// `HOST:PORT`, `[ADDRESS]:PORT`, or a socket's path with its slashes escaped.
fn set_authority(dsn: &mut Dsn, text: &str) -> Result<(), InvalidDsn> {
    let (host, number) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(InvalidDsn::Syntax)?;
            let number = rest.strip_prefix(':');
            if number.is_none() && !rest.is_empty() {
                return Err(InvalidDsn::Syntax);
            }
            (host, number)
        }
        None => text
            .split_once(':')
            .map_or((text, None), |(host, number)| (host, Some(number))),
    };
    dsn.set_host(&unescape(host)?);
    dsn.port = number
        .filter(|number| !number.is_empty())
        .map(port)
        .transpose()?;
    Ok(())
}

fn port(text: &str) -> Result<u16, InvalidDsn> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| is_number && *port > 0);
    port.ok_or(InvalidDsn::Port)
}

fn unescape(text: &str) -> Result<String, InvalidDsn> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit(), digit());
        let (Some(high), Some(low)) = (high, low) else {
            return Err(InvalidDsn::Escape);
        };
        out.push((high * 16 + low) as u8);
    }
    String::from_utf8(out).map_err(|_| InvalidDsn::Escape)
}

/// The place of an item without `=` among what is ignored: it may be the rest of a password with a separator in it.
const WITHOUT_VALUE: &str = "an item without a value";

#[cfg(test)]
mod tests;
