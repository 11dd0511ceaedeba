//! The table of one attribute: made, given a unique index, counted in and read, in each database's own words.

use policy_store::{Dialect, Row, Sql, StoreError, Value};

use crate::connection::NOTHING;

/// A table that is there.
#[derive(Debug)]
pub(super) struct Table {
    add: Add,
    read: String,
}

#[derive(Debug)]
enum Add {
    /// One statement: the table has a unique index.
    Upsert(String),
    /// Without one: another host may add a row in between, as with the original. Both rows are counted in from then on.
    InTurn { update: String, insert: String },
}

impl Table {
    /// Finds the table or makes it. One of the original's for SQLite has no unique index: it gets one, and rows that are there
    /// twice become one. Where the user may not do that, the table is used as it is.
    pub(super) async fn open(
        database: &dyn Sql,
        name: &str,
        engine: &str,
    ) -> Result<Self, StoreError> {
        let words = Words::new(database.dialect(), name);
        let (table, key, count) = (&words.table, &words.key, &words.count);
        let made = database.execute(&words.create(engine), &[]).await;
        if let Err(error) = made {
            let find = format!("SELECT {count} FROM {table} {NOTHING}");
            database.rows(&find, &[]).await.map_err(|_| error)?;
        }
        let is_unique = words.is_unique(database, name).await?
            || (words.make_unique(database, name).await?
                && words.is_unique(database, name).await?);
        let read = format!("SELECT {} FROM {table} WHERE {key}", words.counters);
        let add = if is_unique {
            Add::Upsert(words.upsert("VALUES (?, ?, ?, ?, ?, ?)"))
        } else {
            Add::InTurn {
                update: words.update(),
                insert: words.insert(),
            }
        };
        Ok(Self { add, read })
    }

    pub(super) async fn add(
        &self,
        database: &dyn Sql,
        value: Value,
        period: Value,
        amounts: [i64; 4],
    ) -> Result<(), StoreError> {
        let amounts = amounts.map(Value::Int);
        let key_first = |(value, period)| [&[value, period][..], &amounts].concat();
        match &self.add {
            Add::Upsert(upsert) => {
                database
                    .execute(upsert, &key_first((value, period)))
                    .await?;
            }
            Add::InTurn { update, insert } => {
                let key = [value.clone(), period.clone()];
                let params = [&amounts[..], &key].concat();
                if database.execute(update, &params).await? == 0 {
                    database
                        .execute(insert, &key_first((value, period)))
                        .await?;
                }
            }
        }
        Ok(())
    }

    /// The four counters, without values if there is no row.
    pub(super) async fn read(
        &self,
        database: &dyn Sql,
        value: Value,
        period: Value,
    ) -> Result<Row, StoreError> {
        let rows = database.rows(&self.read, &[value, period]).await?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }
}

/// The parts of statements.
struct Words {
    dialect: Dialect,
    /// The table's name in quotes.
    table: String,
    /// The columns of the key, in quotes.
    key_columns: String,
    /// `key = ? AND time = ?`.
    key: String,
    /// A column that surely is there.
    count: String,
    /// The counters. Of several rows each was counted in by all that came later, so that the largest is nearest.
    counters: String,
    quote: char,
}

impl Words {
    fn new(dialect: Dialect, name: &str) -> Self {
        let quote = if dialect == Dialect::Mysql { '`' } else { '"' };
        let quoted = |name: &str| format!("{quote}{name}{quote}");
        let (key, time) = (quoted("key"), quoted("time"));
        let counters = COLUMNS.map(|column| format!("MAX({})", quoted(column)));
        Self {
            dialect,
            table: quoted(name),
            key_columns: format!("{key}, {time}"),
            key: format!("{key} = ? AND {time} = ?"),
            count: quoted("count"),
            counters: counters.join(", "),
            quote,
        }
    }

    fn quoted(&self, name: &str) -> String {
        format!("{0}{name}{0}", self.quote)
    }

    /// Each column in a text of its own, with commas between.
    fn columns(&self, text: impl Fn(&str) -> String) -> String {
        COLUMNS.map(|column| text(&self.quoted(column))).join(", ")
    }

    fn create(&self, engine: &str) -> String {
        let (table, key) = (&self.table, &self.key_columns);
        let texts = "VARCHAR(255) NOT NULL";
        let columns = |number: &str| {
            let counters = self.columns(|column| format!("{column} {number} NOT NULL"));
            let (key, time) = (self.quoted("key"), self.quoted("time"));
            format!("{key} {texts}, {time} {texts}, {counters}")
        };
        let create = format!("CREATE TABLE IF NOT EXISTS {table}");
        match self.dialect {
            Dialect::Mysql => format!(
                "{create} (id INT NOT NULL AUTO_INCREMENT, {}, PRIMARY KEY (id), \
                UNIQUE KEY time_key ({key}), KEY (`time`)) ENGINE=`{engine}` DEFAULT CHARSET=latin1",
                columns("BIGINT UNSIGNED")
            ),
            Dialect::Postgres => format!(
                "{create} (id BIGSERIAL PRIMARY KEY, {}, UNIQUE ({key}))",
                columns("BIGINT")
            ),
            _ => format!(
                "{create} (id INTEGER PRIMARY KEY AUTOINCREMENT, {}, UNIQUE ({key}))",
                columns("INT UNSIGNED")
            ),
        }
    }

    /// Whether the database knows that there is one row for a value and a period.
    async fn is_unique(&self, database: &dyn Sql, name: &str) -> Result<bool, StoreError> {
        if self.dialect == Dialect::Mysql {
            let find = "SELECT index_name FROM information_schema.statistics \
                WHERE table_schema = DATABASE() AND table_name = ? AND non_unique = 0 \
                GROUP BY index_name HAVING COUNT(*) = 2 AND SUM(column_name IN ('key', 'time')) = 2";
            let rows = database.rows(find, &[Value::from(name)]).await?;
            return Ok(!rows.is_empty());
        }
        // The statement adds nothing. Without the index it is refused.
        let nothing = self.upsert(&format!("SELECT '', '', 0, 0, 0, 0 {NOTHING}"));
        match database.execute(&nothing, &[]).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_outage() && !is_read_only(&error) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Makes one row of those of one value and period, and the index; false where that is refused. Each step may be
    /// repeated: after one that was the last of a process, nothing counts twice.
    async fn make_unique(&self, database: &dyn Sql, name: &str) -> Result<bool, StoreError> {
        let (table, key) = (&self.table, &self.key_columns);
        let index = self.quoted(&format!("{name}_time_key"));
        let first = format!("SELECT MIN(id) AS id FROM {table} GROUP BY {key}");
        let index = if self.dialect == Dialect::Mysql {
            format!("ALTER TABLE {table} ADD UNIQUE KEY time_key ({key})")
        } else {
            format!("CREATE UNIQUE INDEX {index} ON {table} ({key})")
        };
        let statements = [
            self.merge(),
            // MySQL reads no table that it deletes from, but what was read before.
            format!("DELETE FROM {table} WHERE id NOT IN (SELECT id FROM ({first}) AS firsts)"),
            index,
        ];
        for statement in statements {
            match database.execute(&statement, &[]).await {
                Ok(_) => {}
                Err(error) if error.is_outage() && !is_read_only(&error) => return Err(error),
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Each row of a value gets the largest counters of all.
    fn merge(&self) -> String {
        let (table, key) = (&self.table, &self.key_columns);
        let (k, t) = (self.quoted("key"), self.quoted("time"));
        let largest = self.columns(|column| format!("MAX({column}) AS {column}"));
        let several = format!(
            "(SELECT {key}, {largest} FROM {table} GROUP BY {key} HAVING COUNT(*) > 1) AS several"
        );
        let is_one = format!("{table}.{k} = several.{k} AND {table}.{t} = several.{t}");
        if self.dialect == Dialect::Mysql {
            let set = self.columns(|column| format!("{table}.{column} = several.{column}"));
            format!("UPDATE {table} JOIN {several} ON {is_one} SET {set}")
        } else {
            let set = self.columns(|column| format!("{column} = several.{column}"));
            format!("UPDATE {table} SET {set} FROM {several} WHERE {is_one}")
        }
    }

    fn upsert(&self, rows: &str) -> String {
        let (table, key) = (&self.table, &self.key_columns);
        let columns = self.columns(str::to_owned);
        let insert = format!("INSERT INTO {table} ({key}, {columns}) {rows}");
        if self.dialect == Dialect::Mysql {
            let set = self.columns(|column| format!("{column} = {column} + VALUES({column})"));
            return format!("{insert} ON DUPLICATE KEY UPDATE {set}");
        }
        let set = self.columns(|column| format!("{column} = {table}.{column} + excluded.{column}"));
        format!("{insert} ON CONFLICT ({key}) DO UPDATE SET {set}")
    }

    fn update(&self) -> String {
        let set = self.columns(|column| format!("{column} = {column} + ?"));
        format!("UPDATE {} SET {set} WHERE {}", self.table, self.key)
    }

    fn insert(&self) -> String {
        let columns = self.columns(str::to_owned);
        let (table, key) = (&self.table, &self.key_columns);
        format!("INSERT INTO {table} ({key}, {columns}) VALUES (?, ?, ?, ?, ?, ?)")
    }
}

/// A file that may only be read is no outage: what is there can be read.
fn is_read_only(error: &StoreError) -> bool {
    matches!(error, StoreError::NotServing(text) if text.contains("readonly"))
}

/// The counters, in the order of `Metric::ALL`.
const COLUMNS: [&str; 4] = ["count", "count_rcpt", "size", "size_rcpt"];
