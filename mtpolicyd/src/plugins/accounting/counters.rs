//! Counters in a database, by attribute, value and period: what `Accounting` writes and `Quota` reads.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{
    DateTime, Local,
    format::{Item, StrftimeItems},
};
use policy_store::Value;
use tokio::sync::OnceCell;

use super::table::Table;
use crate::{
    chain::plugin::PluginError, config::Section, connection::SqlHandle, plugins::shared::fitted,
};

/// What a counter counts: a column of the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Metric {
    Count,
    Recipients,
    Size,
    SizeOfRecipients,
}

impl Metric {
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("count", Self::Count),
        ("count_rcpt", Self::Recipients),
        ("size", Self::Size),
        ("size_rcpt", Self::SizeOfRecipients),
    ];

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|(of, _)| *of == name);
        found.map(|(_, metric)| metric)
    }
}

/// The tables of all attributes, with one prefix and one period.
#[derive(Debug)]
pub(crate) struct Counters {
    database: SqlHandle,
    prefix: String,
    engine: String,
    period: String,
    /// Tables that are known to be there, by attribute.
    tables: Mutex<HashMap<String, Arc<OnceCell<Arc<Table>>>>>,
}

impl Counters {
    pub(crate) fn new(section: &mut Section<'_>) -> Self {
        let counters = Self {
            database: section.sql("db", "db"),
            prefix: section.text_or("table_prefix", "acct_"),
            engine: section.text_or("mysql_engine", "MyISAM"),
            period: section.text_or("time_pattern", "%Y-%m"),
            tables: Mutex::default(),
        };
        let is_word = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if !is_word(&counters.engine) {
            let text = format!("`mysql_engine` is `{}`: no name", counters.engine);
            section.error("mysql_engine", text);
        }
        if StrftimeItems::new(&counters.period).any(|item| item == Item::Error) {
            let text = format!(
                "`time_pattern` is `{}`: no pattern of strftime",
                counters.period
            );
            section.error("time_pattern", text);
        }
        counters
    }

    /// Notes a name that no table has.
    pub(crate) fn check(&self, key: &str, field: &str, section: &mut Section<'_>) {
        if table_name(&self.prefix, field).is_none() {
            section.error(
                key,
                format!(
                    "`{}{field}` is no name of a table: letters, digits, `_`, `-` and `.`",
                    self.prefix
                ),
            );
        }
    }

    /// Adds to the counters of a value, in one step.
    pub(crate) async fn add(
        &self,
        field: &str,
        value: &str,
        now: u64,
        amounts: [i64; 4],
    ) -> Result<(), PluginError> {
        match self.try_add(field, value, now, amounts).await {
            Err(error) if self.forgets(field, &error) => {
                self.try_add(field, value, now, amounts).await
            }
            result => result,
        }
    }

    async fn try_add(
        &self,
        field: &str,
        value: &str,
        now: u64,
        amounts: [i64; 4],
    ) -> Result<(), PluginError> {
        let table = self.table(field).await?;
        let database = self.database.get().await.map_err(|e| self.failed(e))?;
        let (value, period) = self.key(value, now)?;
        table
            .add(&*database, value, period, amounts)
            .await
            .map_err(|error| self.failed(error))
    }

    /// The counter of a value; 0 if there is none.
    pub(crate) async fn read(
        &self,
        field: &str,
        value: &str,
        now: u64,
        metric: Metric,
    ) -> Result<i64, PluginError> {
        match self.try_read(field, value, now, metric).await {
            Err(error) if self.forgets(field, &error) => {
                self.try_read(field, value, now, metric).await
            }
            result => result,
        }
    }

    async fn try_read(
        &self,
        field: &str,
        value: &str,
        now: u64,
        metric: Metric,
    ) -> Result<i64, PluginError> {
        let table = self.table(field).await?;
        let database = self.database.get().await.map_err(|e| self.failed(e))?;
        let (value, period) = self.key(value, now)?;
        let row = table.read(&*database, value, period).await;
        let row = row.map_err(|error| self.failed(error))?;
        Ok(row
            .get(metric as usize)
            .and_then(Value::int)
            .unwrap_or(0)
            .max(0))
    }

    /// Whether the table may be gone, with its file or by hand: then it is looked for, and made, once more.
    fn forgets(&self, field: &str, error: &PluginError) -> bool {
        error.is_refusal() && self.tables().remove(field).is_some()
    }

    fn tables(&self) -> MutexGuard<'_, HashMap<String, Arc<OnceCell<Arc<Table>>>>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table of an attribute: made if it is missing, once for all who ask.
    async fn table(&self, field: &str) -> Result<Arc<Table>, PluginError> {
        let Some(name) = table_name(&self.prefix, field) else {
            let text = format!("{}{field} is no name of a table", self.prefix);
            return Err(PluginError::Other(text));
        };
        let cell = {
            let mut tables = self.tables();
            // Names may come from a user's configuration.
            if tables.len() < MAX_TABLES || tables.contains_key(field) {
                Arc::clone(tables.entry(field.to_owned()).or_default())
            } else {
                Arc::default()
            }
        };
        let open = async || {
            let database = self.database.get().await.map_err(|e| self.failed(e))?;
            let opened = Table::open(&*database, &name, &self.engine).await;
            opened.map(Arc::new).map_err(|error| {
                let is_outage = error.is_outage();
                let error = self.failed(error);
                if is_outage {
                    return error;
                }
                PluginError::Other(format!(
                    "sql table {name} does not exist and creating it failed: {error}"
                ))
            })
        };
        cell.get_or_try_init(open).await.map(Arc::clone)
    }

    fn key(&self, value: &str, now: u64) -> Result<(Value, Value), PluginError> {
        let period = period(&self.period, now)
            .ok_or_else(|| PluginError::other("the time cannot be written with time_pattern"))?;
        let column = |text| Value::from(&*fitted(text, MAX_KEY));
        Ok((column(value), column(&period)))
    }

    fn failed(&self, error: policy_store::StoreError) -> PluginError {
        self.database.failed(error)
    }
}

/// The table's name: one that needs no quotes but those that are around it.
fn table_name(prefix: &str, field: &str) -> Option<String> {
    let name = format!("{prefix}{field}");
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let is_name = !field.is_empty() && name.len() <= MAX_NAME && name.bytes().all(is_usual);
    is_name.then_some(name)
}

/// The local time in this pattern.
fn period(pattern: &str, now: u64) -> Option<String> {
    let time = DateTime::from_timestamp(i64::try_from(now).ok()?, 0)?.with_timezone(&Local);
    let mut text = String::new();
    write!(text, "{}", time.format(pattern)).ok()?;
    Some(text)
}

/// `VARCHAR(255)`.
const MAX_KEY: usize = 255;
/// The longest name in MariaDB, and nearly so in PostgreSQL (63).
const MAX_NAME: usize = 63;
/// More tables are looked for each time.
const MAX_TABLES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_name_that_cannot_leave_its_quotes() {
        for (field, is_name) in [
            ("sender", true),
            ("a-b.c_1", true),
            ("", false),
            ("a b", false),
            ("a`b", false),
            ("a\"b", false),
            ("ä", false),
            (&"a".repeat(58), true),
            (&"a".repeat(59), false),
        ] {
            assert_eq!(table_name("acct_", field).is_some(), is_name, "{field}");
        }
    }

    #[test]
    fn a_period_is_the_local_time_in_a_pattern() {
        let now = 1_764_380_799;
        let local = DateTime::from_timestamp(1_764_380_799, 0)
            .unwrap()
            .with_timezone(&Local);
        for pattern in ["%Y-%m", "%Y-%m-%d", "%G-W%V", "%H", "plain", ""] {
            let expected = local.format(pattern).to_string();
            assert_eq!(
                period(pattern, now).as_deref(),
                Some(&*expected),
                "{pattern}"
            );
        }
        assert_eq!(period("%Q", now), None);
        assert_eq!(period("%Y", u64::MAX), None);
    }
}
