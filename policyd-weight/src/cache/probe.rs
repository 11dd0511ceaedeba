//! Whether a store that hosts share answers, for a check of the configuration.

use policy_store::{Driver, Dsn, RedisStore, Sql, Store, StoreError};

use super::store::redis;

/// Asks the store once: the address, and why it does not answer. None if it does, and where there is no server.
pub async fn probe(name: &str) -> Option<String> {
    let (server, error) = match name.strip_prefix("redis://") {
        Some(rest) => {
            let address = rest.rsplit_once('@').map_or(rest, |(_, address)| address);
            let store = RedisStore::new(redis(rest).ok()?);
            let asked = match store {
                Ok(store) => store.get(b"policyd-weight").await.map(drop),
                Err(error) => Err(error),
            };
            (format!("redis at {address}"), asked.err()?)
        }
        None => {
            let dsn: Dsn = name.parse().ok()?;
            let kind = match dsn.driver {
                Driver::Mysql => "mysql",
                Driver::Postgres => "postgres",
                _ => return None,
            };
            let host = dsn.host.as_deref().or(dsn.socket.as_deref());
            let host = host.unwrap_or("this host");
            let port = dsn.port.map(|port| format!(":{port}")).unwrap_or_default();
            (
                format!("{kind} at {host}{port}"),
                database(&dsn).await.err()?,
            )
        }
    };
    Some(format!("{server} does not answer: {error}"))
}

async fn database(dsn: &Dsn) -> Result<(), StoreError> {
    let database: Option<Box<dyn Sql>> = match dsn.driver {
        #[cfg(feature = "mysql")]
        Driver::Mysql => Some(Box::new(policy_store::Mysql::new(
            dsn,
            policy_store::SqlOptions::default(),
        )?)),
        #[cfg(feature = "postgres")]
        Driver::Postgres => Some(Box::new(policy_store::Postgres::new(
            dsn,
            policy_store::SqlOptions::default(),
        )?)),
        // This build is without, which the check of the name has said.
        _ => None,
    };
    match database {
        Some(database) => database.rows("SELECT 1", &[]).await.map(drop),
        None => Ok(()),
    }
}
