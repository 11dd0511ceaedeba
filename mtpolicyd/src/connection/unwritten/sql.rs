//! A database that is only read: statements that change something are told, and seem to be done.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use policy_store::{Answer, Breaker, Dialect, Row, Sql, StoreError, Value};

use super::{Unwritten, lock};

#[derive(Debug)]
pub(super) struct ReadSql {
    name: String,
    database: Arc<dyn Sql>,
    unwritten: Unwritten,
    /// Tables that would be made, in quotes where a statement has them.
    tables: Mutex<Vec<String>>,
}

impl ReadSql {
    pub(super) fn new(name: String, database: Arc<dyn Sql>, unwritten: Unwritten) -> Self {
        Self {
            name,
            database,
            unwritten,
            tables: Mutex::default(),
        }
    }
}

impl Sql for ReadSql {
    fn rows<'a>(&'a self, query: &'a str, params: &'a [Value]) -> Answer<'a, Vec<Row>> {
        Box::pin(async move {
            match self.database.rows(query, params).await {
                // A table that is missing would have been made, and has no rows then.
                Err(StoreError::Refused(_))
                    if lock(&self.tables)
                        .iter()
                        .any(|table| query.contains(table.as_str())) =>
                {
                    Ok(Vec::new())
                }
                rows => rows,
            }
        })
    }

    fn execute<'a>(&'a self, query: &'a str, params: &'a [Value]) -> Answer<'a, u64> {
        Box::pin(async move {
            if let Some(rest) = query.strip_prefix("CREATE TABLE IF NOT EXISTS ") {
                let table = rest.split(' ').next().unwrap_or_default();
                lock(&self.tables).push(table.to_owned());
            } else if !params.is_empty() && !query.contains(NOTHING) {
                let values = params.iter().map(text).collect::<Vec<_>>().join(", ");
                let text = format!("would do in {}: {query} [{values}]", self.name);
                self.unwritten.tell(text);
            }
            Ok(1)
        })
    }

    fn dialect(&self) -> Dialect {
        self.database.dialect()
    }

    fn deadline(&self) -> Duration {
        self.database.deadline()
    }

    fn breaker(&self) -> &Breaker {
        self.database.breaker()
    }
}

fn text(value: &Value) -> String {
    let text = value.text().unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// The end of a statement that shows by its success that a table has an index, and changes nothing.
pub(crate) const NOTHING: &str = "WHERE 1=0";
