//! Queries to a database file.

use std::time::Duration;

use rusqlite::{
    Connection, Statement,
    types::{ToSqlOutput, ValueRef},
};

use super::{error::error, file::Sqlite, thread::Work};
use crate::{Answer, Breaker, Dialect, Row, Sql, StoreError, Value, sql::RowLimit};

impl Sql for Sqlite {
    fn rows<'a>(&'a self, query: &'a str, params: &'a [Value]) -> Answer<'a, Vec<Row>> {
        let (text, params) = (query.to_owned(), params.to_vec());
        let limit = RowLimit::new(self.options.max_rows, self.options.max_bytes);
        Box::pin(self.run(work(query), move |connection| {
            let mut statement = prepare(connection, &text, &params)?;
            collect(&mut statement, limit)
        }))
    }

    fn execute<'a>(&'a self, query: &'a str, params: &'a [Value]) -> Answer<'a, u64> {
        let (text, params) = (query.to_owned(), params.to_vec());
        Box::pin(self.run(work(query), move |connection| {
            let mut statement = prepare(connection, &text, &params)?;
            let mut rows = statement.raw_query();
            // A statement that also gives rows is done when all are given.
            while rows.next().map_err(error)?.is_some() {}
            drop(rows);
            Ok(if statement.readonly() {
                0
            } else {
                connection.changes()
            })
        }))
    }

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn deadline(&self) -> Duration {
        self.options.remote.deadline
    }

    fn breaker(&self) -> &Breaker {
        Self::breaker(self)
    }
}

/// Whether a query only reads, by its first word; a wrong guess costs a lock, or the lock of one statement.
fn work(query: &str) -> Work {
    let word = query
        .trim_start()
        .split(|end: char| !end.is_ascii_alphabetic())
        .next();
    match word {
        Some(word) if word.eq_ignore_ascii_case("select") => Work::Read,
        _ => Work::Write,
    }
}

fn prepare<'a>(
    connection: &'a Connection,
    query: &str,
    params: &[Value],
) -> Result<rusqlite::CachedStatement<'a>, StoreError> {
    let mut statement = connection.prepare_cached(query).map_err(error)?;
    let wanted = statement.parameter_count();
    if wanted != params.len() {
        let text = format!("{wanted} placeholders, but {} values", params.len());
        return Err(StoreError::Refused(text));
    }
    for (index, value) in params.iter().enumerate() {
        statement
            .raw_bind_parameter(index + 1, bound(value))
            .map_err(error)?;
    }
    Ok(statement)
}

/// Text is bound as text: a column of texts never equals bytes.
fn bound(value: &Value) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Int(number) => ValueRef::Integer(*number),
        Value::Float(number) => ValueRef::Real(*number),
        Value::Bytes(bytes) if str::from_utf8(bytes).is_ok() => ValueRef::Text(bytes),
        Value::Bytes(bytes) => ValueRef::Blob(bytes),
    })
}

fn collect(statement: &mut Statement<'_>, mut limit: RowLimit) -> Result<Vec<Row>, StoreError> {
    let columns = statement.column_count();
    let mut found = Vec::new();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(error)? {
        let mut values = Row::with_capacity(columns);
        for index in 0..columns {
            values.push(match row.get_ref(index).map_err(error)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => Value::Int(number),
                ValueRef::Real(number) => Value::Float(number),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
            });
        }
        limit.count(&values)?;
        found.push(values);
    }
    Ok(found)
}
