//! SQLite: the store, files that are shared, locked or broken, and queries.

#[path = "sqlite/points.rs"]
mod points;
#[path = "sqlite/replaced.rs"]
mod replaced;
mod suite;

use std::{os::unix::fs::MetadataExt as _, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use policy_store::{
    BreakerState, Event, Sql, Sqlite, SqliteOptions, SqliteStore, Store, StoreError, Value, Windows,
};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::suite::{LONG, Tested};

async fn sqlite() -> (Tested, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Arc::new(store(directory.path()).await), directory)
}

store_suite!(tokio::test, sqlite);

async fn store(directory: &Path) -> SqliteStore {
    SqliteStore::new(open(directory).await).await.unwrap()
}

async fn open(directory: &Path) -> Sqlite {
    Sqlite::open(options(directory)).await.unwrap()
}

fn options(directory: &Path) -> SqliteOptions {
    SqliteOptions::new(directory.join("store.sqlite"))
}

#[tokio::test]
async fn values_and_windows_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let windows: Windows = "2/1h".parse().unwrap();
    let first = store(directory.path()).await;
    first.set(b"key", b"value", LONG).await.unwrap();
    first
        .count(b"window", &windows, Event::Amount(2))
        .await
        .unwrap();
    drop(first);
    let second = store(directory.path()).await;
    assert_eq!(
        second.get(b"key").await.unwrap().as_deref(),
        Some(&b"value"[..])
    );
    assert!(
        !second
            .count(b"window", &windows, Event::Amount(1))
            .await
            .unwrap()
            .allowed
    );
}

#[tokio::test]
async fn two_handles_of_one_file_lose_no_count() {
    let directory = tempfile::tempdir().unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..2 {
        let store = store(directory.path()).await;
        for _ in 0..4 {
            let store = store.clone();
            callers.spawn(async move {
                let windows = "50/1h".parse().unwrap();
                let mut allowed = 0;
                for _ in 0..20 {
                    let usage = store
                        .count(b"window", &windows, Event::Amount(1))
                        .await
                        .unwrap();
                    allowed += u32::from(usage.allowed);
                    store.add(b"sum", 1, LONG).await.unwrap();
                }
                allowed
            });
        }
    }
    assert_eq!(callers.join_all().await.iter().sum::<u32>(), 50);
    let store = store(directory.path()).await;
    assert_eq!(store.add(b"sum", 0, LONG).await.unwrap(), 160);
}

/// Each file is new: SQLite does not wait by itself when two processes change the mode of one file.
#[tokio::test]
async fn a_start_waits_longer_than_a_call_for_a_file_that_another_process_has_locked() {
    for lock in ["BEGIN IMMEDIATE; CREATE TABLE other (n)", "BEGIN EXCLUSIVE"] {
        let directory = tempfile::tempdir().unwrap();
        let mut options = options(directory.path());
        options.remote.deadline = Duration::from_millis(20);
        let other = rusqlite::Connection::open(&options.path).unwrap();
        other.execute_batch(lock).unwrap();
        let opened = tokio::spawn(async { SqliteStore::new(Sqlite::open(options).await?).await });
        tokio::time::sleep(Duration::from_millis(200)).await;
        other.execute_batch("COMMIT").unwrap();
        let store = opened.await.unwrap().unwrap();

        other
            .execute_batch(lock.trim_end_matches("CREATE TABLE other (n)"))
            .unwrap();
        let error = store.set(b"key", b"value", LONG).await.unwrap_err();
        assert!(error.is_outage(), "{error}");
    }
}

/// A table that is there need not be written.
#[tokio::test]
async fn a_store_opens_while_another_process_writes() {
    let directory = tempfile::tempdir().unwrap();
    let first = store(directory.path()).await;
    first.set(b"key", b"value", LONG).await.unwrap();
    let options = options(directory.path());
    let other = rusqlite::Connection::open(&options.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let second = store(directory.path()).await;
    assert!(second.get(b"key").await.unwrap().is_some());
}

#[tokio::test]
async fn a_new_file_is_its_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    store.set(b"key", b"value", LONG).await.unwrap();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().mode() & 0o777,
            0o600,
            "{:?}",
            entry.path()
        );
    }
}

#[tokio::test]
async fn a_full_store_loses_what_was_written_longest_ago() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await.max_entries(100);
    for number in 0..300 {
        store
            .set(format!("{number:03}").as_bytes(), b"", LONG)
            .await
            .unwrap();
    }
    let entries = store.entries(b"", 1000).await.unwrap();
    assert!((100..=102).contains(&entries.len()), "{}", entries.len());
    assert_eq!(&*entries.last().unwrap().0, b"299");
    assert_eq!(store.entries(b"29", 5).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_deadline_may_be_as_long_as_there_are_durations() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path());
    options.remote.deadline = Duration::MAX;
    let file = Sqlite::open(options).await.unwrap();
    let store = SqliteStore::new(file).await.unwrap();
    store.set(b"key", b"value", LONG).await.unwrap();
    assert!(store.get(b"key").await.unwrap().is_some());
}

async fn with_deadline(directory: &Path, ms: u64) -> Sqlite {
    let mut options = options(directory);
    options.remote.deadline = Duration::from_millis(ms);
    options.remote.failures = 2;
    Sqlite::open(options).await.unwrap()
}

#[tokio::test]
async fn a_lock_of_another_process_costs_a_call_its_deadline_and_then_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let other = with_deadline(directory.path(), 3000).await;
    let patient = SqliteStore::new(other.clone()).await.unwrap();
    patient.set(b"key", b"value", LONG).await.unwrap();
    let file = with_deadline(directory.path(), 300).await;
    let store = SqliteStore::new(file.clone()).await.unwrap();

    let hold = "INSERT INTO held SELECT count(*) FROM \
        (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n)";
    other.execute("CREATE TABLE held (n)", &[]).await.unwrap();
    let held = tokio::spawn(async move { other.execute(hold, &[]).await });
    let mut errors = Vec::new();
    let is_open = suite::eventually(async || {
        if let Err(error) = store.set(b"key", b"new", LONG).await {
            errors.push(error);
        }
        file.breaker().state() != BreakerState::Closed
    });
    assert!(is_open.await);
    assert!(errors.iter().all(StoreError::is_outage), "{errors:?}");
    let result = store.get(b"key").await;
    assert!(matches!(result, Err(StoreError::Away(_))), "{result:?}");

    // The statement that runs for too long is ended, and the lock with it.
    assert!(held.await.unwrap().is_err());
    let is_back = async || store.set(b"key", b"new", LONG).await.is_ok();
    assert!(suite::eventually(is_back).await);
    assert_eq!(
        store.get(b"key").await.unwrap().as_deref(),
        Some(&b"new"[..])
    );
}

#[tokio::test]
async fn what_cannot_be_opened_is_said_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let missing = SqliteOptions::new(directory.path().join("no/such/file"));
    let error = Sqlite::open(missing).await.unwrap_err();
    assert!(error.is_outage(), "{error}");
    let path = directory.path().join("text");
    std::fs::write(&path, "This is no database. ".repeat(100)).unwrap();
    let error = Sqlite::open(SqliteOptions::new(path)).await.unwrap_err();
    assert_eq!(error.to_string(), "file is not a database");
    let mut options = options(directory.path());
    options.create = false;
    assert!(Sqlite::open(options).await.is_err());
}

#[tokio::test]
async fn a_statement_that_fails_takes_back_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let file = open(directory.path()).await;
    file.execute("CREATE TABLE t (n INTEGER UNIQUE)", &[])
        .await
        .unwrap();
    let mut callers = JoinSet::new();
    for number in 0..200 {
        let file = file.clone();
        callers.spawn(async move {
            file.execute("INSERT INTO t VALUES (?)", &[Value::Int(number / 2)])
                .await
        });
    }
    let results = callers.join_all().await;
    assert_eq!(
        results
            .iter()
            .filter(|result| matches!(result, Ok(1)))
            .count(),
        100
    );
    let failed = results.into_iter().filter_map(Result::err);
    assert!(
        failed
            .into_iter()
            .all(|error| matches!(error, StoreError::Refused(_)))
    );
    assert_eq!(
        file.rows("SELECT count(*) FROM t", &[]).await.unwrap(),
        [[Value::Int(100)]]
    );
}

#[tokio::test]
async fn rows_come_as_numbers_and_texts() {
    let directory = tempfile::tempdir().unwrap();
    let file = open(directory.path()).await;
    let rows = file
        .rows("SELECT 1, 2.5, 'x', NULL, x'00ff', ?", &["y".into()])
        .await
        .unwrap();
    let expected = [
        Value::Int(1),
        Value::Float(2.5),
        "x".into(),
        Value::Null,
        Value::Bytes(vec![0, 255]),
        "y".into(),
    ];
    assert_eq!(rows, [expected]);
    let texts = file
        .rows("SELECT 'a' = ?, 7 = ?", &["a".into(), Value::Int(7)])
        .await
        .unwrap();
    assert_eq!(texts, [[Value::Int(1), Value::Int(1)]]);
}

#[tokio::test]
async fn a_query_that_cannot_be_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path());
    options.max_rows = 10;
    let file = Sqlite::open(options).await.unwrap();
    for (query, params, expected) in [
        ("SELEKT", vec![], "refused: near \"SELEKT\": syntax error"),
        ("SELECT ?", vec![], "refused: 1 placeholders, but 0 values"),
        (
            "SELECT 1",
            vec![Value::Null],
            "refused: 0 placeholders, but 1 values",
        ),
        (
            "SELECT value FROM generated",
            vec![],
            "refused: no such table: generated",
        ),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
            vec![],
            "11 rows of an answer, of which at most 10 are allowed",
        ),
    ] {
        let error = file.rows(query, &params).await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    assert_eq!(file.breaker().state(), BreakerState::Closed);
}

#[tokio::test]
async fn entries_are_forgotten_by_the_beginning_of_their_keys() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    for key in ["a1", "a2", "b1", "a"] {
        store.set(key.as_bytes(), b"1", None).await.unwrap();
    }
    store.clear(b"a").await.unwrap();
    let left = store.entries(b"", 10).await.unwrap();
    let left: Vec<_> = left.iter().map(|(key, _)| &key[..]).collect();
    assert_eq!(left, [b"b1"]);
    store.clear(b"").await.unwrap();
    assert!(store.entries(b"", 10).await.unwrap().is_empty());
}
