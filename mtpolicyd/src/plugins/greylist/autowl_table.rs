//! The auto whitelist's table in a database: that of the original, with an index that keeps pairs apart.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use policy_store::{Dialect, Sql, StoreError, Value};
use tokio::sync::OnceCell;

use crate::{
    chain::plugin::PluginError,
    connection::{NOTHING, SqlHandle},
};

/// The table.
#[derive(Debug)]
pub(super) struct AutowlTable {
    database: SqlHandle,
    name: String,
    /// Seconds after which a client that does not come is forgotten.
    expire: i64,
    /// Whether there is a unique index, once that is known.
    is_unique: Mutex<Arc<OnceCell<bool>>>,
    compat: bool,
}

impl AutowlTable {
    pub(super) fn new(database: SqlHandle, name: &str, days: u64, compat: bool) -> Self {
        Self {
            database,
            name: name.to_owned(),
            expire: integer(days).saturating_mul(86_400),
            is_unique: Mutex::default(),
            compat,
        }
    }

    /// The count of a pair; none if there is no row, or an old one.
    pub(super) async fn get(
        &self,
        now: u64,
        domain: &str,
        client: &str,
    ) -> Result<Option<i64>, PluginError> {
        let known = self.known();
        match self.try_get(&known, now, domain, client).await {
            Err(error) if self.forgets(&known, &error) => {
                self.try_get(&self.known(), now, domain, client).await
            }
            result => result,
        }
    }

    async fn try_get(
        &self,
        known: &OnceCell<bool>,
        now: u64,
        domain: &str,
        client: &str,
    ) -> Result<Option<i64>, PluginError> {
        let name = &self.name;
        let query = format!(
            "SELECT count FROM {name} WHERE sender_domain=? AND client_ip=? AND last_seen >= ?"
        );
        let oldest = Value::Int(integer(now).saturating_sub(self.expire));
        let params = [Value::from(domain), Value::from(client), oldest];
        let work = async {
            let (database, _) = self.ready(known).await?;
            database.rows(&query, &params).await
        };
        let rows = work.await.map_err(|error| self.database.failed(error))?;
        Ok(rows.first().and_then(|row| row.first()?.int()))
    }

    /// Adds one to the count of a pair; a row that is old begins at one.
    pub(super) async fn count(
        &self,
        now: u64,
        domain: &str,
        client: &str,
    ) -> Result<(), PluginError> {
        let known = self.known();
        match self.try_count(&known, now, domain, client).await {
            Err(error) if self.forgets(&known, &error) => {
                self.try_count(&self.known(), now, domain, client).await
            }
            result => result,
        }
    }

    async fn try_count(
        &self,
        known: &OnceCell<bool>,
        now: u64,
        domain: &str,
        client: &str,
    ) -> Result<(), PluginError> {
        let work = async {
            let (database, is_unique) = self.ready(known).await?;
            if is_unique && !self.compat {
                self.upsert(&*database, now, domain, client).await
            } else {
                self.update(&*database, now, domain, client).await
            }
        };
        work.await.map_err(|error| self.database.failed(error))
    }

    /// Deletes the rows of clients that have not come for long.
    pub(super) async fn expire(&self, now: u64) -> Result<(), PluginError> {
        let query = format!("DELETE FROM {} WHERE last_seen < ?", self.name);
        let params = [Value::Int(integer(now).saturating_sub(self.expire))];
        let work = async {
            let (database, _) = self.ready(&self.known()).await?;
            database.execute(&query, &params).await
        };
        work.await.map_err(|error| self.database.failed(error))?;
        Ok(())
    }

    async fn upsert(
        &self,
        database: &dyn Sql,
        now: u64,
        domain: &str,
        client: &str,
    ) -> Result<(), StoreError> {
        let now = integer(now);
        let params = [
            Value::from(domain),
            Value::from(client),
            Value::Int(now),
            Value::Int(now.saturating_sub(self.expire)),
            Value::Int(now),
        ];
        let query = self.upsert_of(database.dialect(), "VALUES (?, ?, 1, ?)");
        database.execute(&query, &params).await?;
        Ok(())
    }

    /// Inserts what the rows say, or counts in the row that is there.
    fn upsert_of(&self, dialect: Dialect, rows: &str) -> String {
        let name = &self.name;
        let conflict = if dialect == Dialect::Mysql {
            "ON DUPLICATE KEY UPDATE"
        } else {
            "ON CONFLICT (client_ip, sender_domain) DO UPDATE SET"
        };
        let count = self.one_more();
        format!(
            "INSERT INTO {name} (sender_domain, client_ip, count, last_seen) {rows} \
             {conflict} count = {count}, last_seen = ?"
        )
    }

    /// The new count of a row. From left to right: the old time is compared before it is set.
    fn one_more(&self) -> String {
        let name = &self.name;
        format!("CASE WHEN {name}.last_seen < ? THEN 1 ELSE {name}.count + 1 END")
    }

    /// For a table whose pairs nobody keeps apart. The original's never inserts.
    async fn update(
        &self,
        database: &dyn Sql,
        now: u64,
        domain: &str,
        client: &str,
    ) -> Result<(), StoreError> {
        let name = &self.name;
        let oldest = Value::Int(integer(now).saturating_sub(self.expire));
        let (count, mut params) = if self.compat {
            ("count + 1".to_owned(), Vec::new())
        } else {
            (self.one_more(), vec![oldest])
        };
        let update = format!(
            "UPDATE {name} SET count = {count}, last_seen = ? WHERE sender_domain=? AND client_ip=?"
        );
        let now = Value::Int(integer(now));
        params.extend([now.clone(), Value::from(domain), Value::from(client)]);
        if database.execute(&update, &params).await? > 0 || self.compat {
            return Ok(());
        }
        let insert = format!(
            "INSERT INTO {name} (sender_domain, client_ip, count, last_seen) VALUES (?, ?, 1, ?)"
        );
        let params = [Value::from(domain), Value::from(client), now];
        database.execute(&insert, &params).await?;
        Ok(())
    }

    /// The database with the table, and whether pairs are unique in it.
    async fn ready(&self, known: &OnceCell<bool>) -> Result<(Arc<dyn Sql>, bool), StoreError> {
        let database = self.database.get().await?;
        let is_unique = known.get_or_try_init(|| self.prepare(&*database));
        let is_unique = *is_unique.await?;
        Ok((database, is_unique))
    }

    /// Whether the table that was known may be gone, with its file or by hand: then it is looked for, and made, once more. Of several
    /// requests that find that, each tries again.
    fn forgets(&self, known: &Arc<OnceCell<bool>>, error: &PluginError) -> bool {
        let is_gone = error.is_refusal() && known.initialized();
        let mut current = self.lock();
        if is_gone && Arc::ptr_eq(&current, known) {
            *current = Arc::default();
        }
        is_gone
    }

    fn known(&self) -> Arc<OnceCell<bool>> {
        Arc::clone(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Arc<OnceCell<bool>>> {
        self.is_unique
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the table, and the index in a table of the original. A user who may not do so uses the table as it is.
    async fn prepare(&self, database: &dyn Sql) -> Result<bool, StoreError> {
        let (name, dialect) = (&self.name, database.dialect());
        let create = format!("CREATE TABLE IF NOT EXISTS {name} ({})", columns(dialect));
        is_done(database, &create).await?;
        if self.compat {
            return Ok(false);
        }
        if self.has_index(database).await? {
            return Ok(true);
        }
        let index = if dialect == Dialect::Mysql {
            format!("ALTER TABLE {name} ADD UNIQUE KEY domain_ip (client_ip, sender_domain)")
        } else {
            format!("CREATE UNIQUE INDEX {name}_domain_ip ON {name} (client_ip, sender_domain)")
        };
        // Of rows for one pair the latest stays. MySQL reads no table that it deletes from, but what was read before.
        let latest = format!("SELECT MAX(id) AS id FROM {name} GROUP BY client_ip, sender_domain");
        let merge =
            format!("DELETE FROM {name} WHERE id NOT IN (SELECT id FROM ({latest}) AS latest)");
        Ok(is_done(database, &merge).await?
            && is_done(database, &index).await?
            && self.has_index(database).await?)
    }

    /// Whether the database knows that there is one row for a domain and a client.
    async fn has_index(&self, database: &dyn Sql) -> Result<bool, StoreError> {
        if database.dialect() == Dialect::Mysql {
            let find = "SELECT index_name FROM information_schema.statistics \
                WHERE table_schema = DATABASE() AND table_name = ? AND non_unique = 0 \
                GROUP BY index_name \
                HAVING COUNT(*) = 2 AND SUM(column_name IN ('client_ip', 'sender_domain')) = 2";
            let rows = database.rows(find, &[Value::from(&*self.name)]).await?;
            return Ok(!rows.is_empty());
        }
        // The statement adds nothing. Without the index it is refused.
        let nothing = format!("SELECT '', '', 1, 0 {NOTHING}");
        let nothing = self.upsert_of(database.dialect(), &nothing);
        match database
            .execute(&nothing, &[Value::Int(0), Value::Int(0)])
            .await
        {
            Ok(_) => Ok(true),
            Err(error) if error.is_outage() => Err(error),
            Err(_) => Ok(false),
        }
    }
}

/// Whether the database has done it; an error if it is away.
async fn is_done(database: &dyn Sql, statement: &str) -> Result<bool, StoreError> {
    match database.execute(statement, &[]).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_outage() => Err(error),
        Err(_) => Ok(false),
    }
}

fn columns(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Mysql => {
            "id INT NOT NULL AUTO_INCREMENT, sender_domain VARCHAR(255) NOT NULL, \
             client_ip VARCHAR(39) NOT NULL, count INT UNSIGNED NOT NULL, \
             last_seen INT UNSIGNED NOT NULL, PRIMARY KEY (id), \
             UNIQUE KEY domain_ip (client_ip, sender_domain), KEY (client_ip), KEY (sender_domain)"
        }
        Dialect::Postgres => {
            "id BIGSERIAL PRIMARY KEY, sender_domain VARCHAR(255) NOT NULL, \
             client_ip VARCHAR(39) NOT NULL, count BIGINT NOT NULL, last_seen BIGINT NOT NULL"
        }
        _ => {
            "id INTEGER PRIMARY KEY AUTOINCREMENT, sender_domain VARCHAR(255) NOT NULL, \
             client_ip VARCHAR(39) NOT NULL, count INT UNSIGNED NOT NULL, last_seen INTEGER NOT NULL"
        }
    }
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
