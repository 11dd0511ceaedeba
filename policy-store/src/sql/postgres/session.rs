//! A connection to PostgreSQL, and the statements that it knows.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::TryStreamExt as _;
use tokio::task::AbortHandle;
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::{
    cell::{Cell, Param, is_readable},
    error,
};
use crate::{
    Row, StoreError, Value,
    sql::{RowLimit, placeholder::numbered},
};

/// How many statements a connection remembers. When there are more, all are forgotten.
const MAX_STATEMENTS: usize = 64;

pub(super) struct Session {
    client: Client,
    /// The task that reads and writes. It ends with the session, and the connection with it.
    task: AbortHandle,
    statements: Mutex<HashMap<String, Arc<Prepared>>>,
}

struct Prepared {
    /// As it was asked for.
    statement: Statement,
    /// The statement with each column that we do not read as text.
    readable: Option<Statement>,
}

impl Session {
    pub(super) async fn open(config: &Config) -> Result<Self, StoreError> {
        let (client, connection) = config.connect(NoTls).await.map_err(error)?;
        let task = tokio::spawn(async move {
            // What ends it is seen by who asks next.
            let _ = connection.await;
        });
        Ok(Self {
            client,
            task: task.abort_handle(),
            statements: Mutex::default(),
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) async fn rows(
        &self,
        query: &str,
        params: &[Value],
        mut limit: RowLimit,
    ) -> Result<Vec<Row>, StoreError> {
        let prepared = self.prepare(query, params.len()).await?;
        let statement = prepared.readable.as_ref().unwrap_or(&prepared.statement);
        let found = self
            .client
            .query_raw(statement, params.iter().map(Param))
            .await;
        let mut found = pin!(found.map_err(error)?);
        let mut rows = Vec::new();
        while let Some(row) = found.try_next().await.map_err(error)? {
            let cells = (0..row.len()).map(|column| row.try_get::<_, Cell>(column));
            let cells: Result<Row, _> = cells.map(|cell| cell.map(|cell| cell.0)).collect();
            let cells = cells.map_err(error)?;
            limit.count(&cells)?;
            rows.push(cells);
        }
        Ok(rows)
    }

    pub(super) async fn execute(&self, query: &str, params: &[Value]) -> Result<u64, StoreError> {
        let prepared = self.prepare(query, params.len()).await?;
        let params = params.iter().map(Param);
        self.client
            .execute_raw(&prepared.statement, params)
            .await
            .map_err(error)
    }

    async fn prepare(&self, query: &str, params: usize) -> Result<Arc<Prepared>, StoreError> {
        let known = self.statements().get(query).cloned();
        let prepared = match known {
            Some(prepared) => prepared,
            None => {
                let prepared = Arc::new(self.prepare_new(query).await?);
                let mut statements = self.statements();
                if statements.len() >= MAX_STATEMENTS {
                    statements.clear();
                }
                statements.insert(query.to_owned(), prepared.clone());
                prepared
            }
        };
        let wanted = prepared.statement.params().len();
        if wanted != params {
            let text = format!("{wanted} placeholders, but {params} values");
            return Err(StoreError::Refused(text));
        }
        Ok(prepared)
    }

    async fn prepare_new(&self, query: &str) -> Result<Prepared, StoreError> {
        let text = numbered(query);
        let statement = self.client.prepare(&text).await.map_err(error)?;
        let columns = statement.columns();
        if columns.iter().all(|column| is_readable(column.type_())) {
            return Ok(Prepared {
                statement,
                readable: None,
            });
        }
        // The server knows how each type is written.
        let names: Vec<_> = (0..columns.len())
            .map(|number| format!("c{number}"))
            .collect();
        let texts = columns.iter().zip(&names).map(|(column, name)| {
            if is_readable(column.type_()) {
                name.clone()
            } else {
                format!("{name}::text")
            }
        });
        let texts: Vec<_> = texts.collect();
        let text = text.trim_end().trim_end_matches(';');
        let readable = format!(
            "WITH policy_rows ({}) AS ({text}\n) SELECT {} FROM policy_rows",
            names.join(", "),
            texts.join(", "),
        );
        let readable = self
            .client
            .prepare_typed(&readable, statement.params())
            .await;
        Ok(Prepared {
            statement,
            readable: Some(readable.map_err(error)?),
        })
    }

    fn statements(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Prepared>>> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}
