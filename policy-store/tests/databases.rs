//! MariaDB and PostgreSQL: queries, the store's suite, and servers that fail.

mod suite;
mod support;

use std::{sync::Arc, time::Duration};

use policy_store::{
    Dsn, Mysql, Postgres, RemoteOptions, Sql, SqlOptions, SqlStore, Store, StoreError, Value,
};

use crate::support::{Server, databases, faults};

store_suite!(run_all);

fn options(remote: RemoteOptions) -> SqlOptions {
    let mut options = SqlOptions::default();
    options.remote = remote;
    options
}

fn mysql(name: &str, remote: RemoteOptions) -> Arc<dyn Sql> {
    let dsn: Dsn = name.parse().unwrap();
    Arc::new(Mysql::new(&dsn, options(remote)).unwrap())
}

fn postgres(name: &str, remote: RemoteOptions) -> Arc<dyn Sql> {
    let dsn: Dsn = name.parse().unwrap();
    Arc::new(Postgres::new(&dsn, options(remote)).unwrap())
}

/// Patience for a machine that starts a database.
fn patient() -> RemoteOptions {
    let mut remote = RemoteOptions::default();
    remote.deadline = Duration::from_secs(5);
    remote
}

/// It listens before it answers.
async fn is_up(sql: &dyn Sql) {
    let answers = async || sql.rows("SELECT 1", &[]).await.is_ok();
    assert!(suite::eventually(answers).await, "{sql:?} does not answer");
}

/// One row as text.
async fn row(sql: &dyn Sql, query: &str, params: &[Value]) -> String {
    let rows = sql.rows(query, params).await;
    let rows = rows.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let texts = rows.iter().flatten().map(|value| match value.text() {
        Some(text) => String::from_utf8_lossy(&text).into_owned(),
        None => "NULL".to_owned(),
    });
    texts.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn mariadb_passes_the_suite_of_stores() {
    let (_server, name) = databases::mariadb();
    let sql = mysql(&name, patient());
    is_up(&*sql).await;
    run_all(Arc::new(SqlStore::new(sql).await.unwrap())).await;
}

#[tokio::test]
async fn postgresql_passes_the_suite_of_stores() {
    let (_server, name) = databases::postgres();
    let sql = postgres(&name, patient());
    is_up(&*sql).await;
    run_all(Arc::new(SqlStore::new(sql).await.unwrap())).await;
}

#[tokio::test]
async fn mariadb_answers_what_administrators_ask() {
    let (_server, name) = databases::mariadb();
    let sql = mysql(&name, patient());
    is_up(&*sql).await;
    let create = "CREATE TABLE t (i INT, u BIGINT UNSIGNED, d DECIMAL(10,2), f FLOAT, b DOUBLE, \
        v VARCHAR(20), x BLOB, t DATETIME, s TIME, j JSON, n INT)";
    sql.execute(create, &[]).await.unwrap();
    let insert = "INSERT INTO t VALUES (?, 18446744073709551615, 12.5, 0.1, ?, ?, ?, \
        '2026-11-28 21:00:05', '-12:30:00', '{\"a\": 1}', NULL)";
    let params = [
        Value::Int(-7),
        Value::Float(0.25),
        "Zoë ?".into(),
        Value::Bytes(vec![255, 0]),
    ];
    assert_eq!(sql.execute(insert, &params).await.unwrap(), 1);
    let params = ["Zoë ?".into()];
    let all = row(
        &*sql,
        "SELECT i, u, d, f, b, v, t, s, j, n FROM t WHERE v = ?",
        &params,
    );
    assert_eq!(
        all.await,
        "-7 18446744073709551615 12.50 0.1 0.25 Zoë ? 2026-11-28 21:00:05 -12:30:00 {\"a\": 1} NULL"
    );
    assert_eq!(
        sql.rows("SELECT x FROM t", &[]).await.unwrap(),
        [[Value::Bytes(vec![255, 0])]]
    );
    // As in mtpolicyd's default query; a text where a number is wanted.
    assert_eq!(
        row(
            &*sql,
            "SELECT INET_ATON(?), ? + 1, '?'",
            &["192.0.2.1".into(), "41".into()]
        )
        .await,
        "3221225985 42 ?"
    );
    asks_as_all_do(&*sql).await;
}

#[tokio::test]
async fn postgresql_answers_what_administrators_ask() {
    let (_server, name) = databases::postgres();
    let sql = postgres(&name, patient());
    is_up(&*sql).await;
    let create = "CREATE TABLE t (i INT, s SMALLINT, l BIGINT, d NUMERIC(10,2), f REAL, b DOUBLE PRECISION, \
        v TEXT, x BYTEA, t TIMESTAMP, a INET, j JSONB, o BOOLEAN, u UUID, n INT)";
    sql.execute(create, &[]).await.unwrap();
    let insert = "INSERT INTO t VALUES (?, ?, ?, ?, 0.1, ?, ?, ?, ?, ?, ?, ?, ?, NULL)";
    let params = [
        Value::Int(-7),
        "7".into(),
        Value::Int(1 << 40),
        "12.5".into(),
        Value::Float(0.25),
        "Zoë ?".into(),
        Value::Bytes(vec![255, 0]),
        "2026-11-28 21:00:05".into(),
        "192.0.2.0/24".into(),
        "{\"a\": 1}".into(),
        Value::Int(1),
        "00000000-0000-0000-0000-000000000001".into(),
    ];
    assert_eq!(sql.execute(insert, &params).await.unwrap(), 1);
    let params = ["192.0.2.9".into()];
    let all = row(
        &*sql,
        "SELECT i, s, l, d, f, b, v, t, a, j, o, u, n FROM t WHERE a >> ?; ",
        &params,
    );
    assert_eq!(
        all.await,
        "-7 7 1099511627776 12.50 0.1 0.25 Zoë ? 2026-11-28 21:00:05 192.0.2.0/24 {\"a\": 1} 1 \
         00000000-0000-0000-0000-000000000001 NULL"
    );
    assert_eq!(
        sql.rows("SELECT x FROM t", &[]).await.unwrap(),
        [[Value::Bytes(vec![255, 0])]]
    );
    assert_eq!(
        row(&*sql, "SELECT '?', j ?? ? FROM t -- ?", &["a".into()]).await,
        "? 1"
    );
    asks_as_all_do(&*sql).await;
}

async fn asks_as_all_do(sql: &dyn Sql) {
    sql.execute("CREATE TABLE w (address VARCHAR(50), score INT)", &[])
        .await
        .unwrap();
    for number in 0..20 {
        let params = [format!("u{number}@x").as_str().into(), Value::Int(number)];
        sql.execute("INSERT INTO w VALUES (?, ?)", &params)
            .await
            .unwrap();
    }
    assert_eq!(
        row(
            sql,
            "SELECT score FROM w WHERE address = ?",
            &["u7@x".into()]
        )
        .await,
        "7"
    );
    assert_eq!(
        row(
            sql,
            "SELECT score FROM w WHERE address = ?",
            &["' OR 1=1".into()]
        )
        .await,
        ""
    );
    let update = "UPDATE w SET score = score + 1 WHERE score > ?";
    assert_eq!(sql.execute(update, &[Value::Int(17)]).await.unwrap(), 2);
    for (query, params) in [
        ("SELEKT", vec![]),
        ("SELECT score FROM w WHERE address = ?", vec![]),
        ("SELECT 1", vec![Value::Null]),
        ("SELECT nothing FROM w", vec![]),
    ] {
        let error = sql.rows(query, &params).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Refused(_)),
            "{query}: {error:?}"
        );
    }
    // Refusals leave the connections in order.
    assert_eq!(row(sql, "SELECT count(*) FROM w", &[]).await, "20");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mariadb_that_fails_is_waited_for_no_longer_than_the_deadline() {
    let (mut server, name) = databases::mariadb();
    let sql = mysql(&name, faults::remote());
    fails(sql, &mut server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_fails_is_waited_for_no_longer_than_the_deadline() {
    let (mut server, name) = databases::postgres();
    let sql = postgres(&name, faults::remote());
    fails(sql, &mut server).await;
}

async fn fails(sql: Arc<dyn Sql>, server: &mut Server) {
    is_up(&*sql).await;
    let breaker = sql.breaker().clone();
    let store = SqlStore::new(sql).await.unwrap();
    faults::survives(Arc::new(store), server, &breaker).await;
}

#[tokio::test]
async fn a_password_that_is_wrong_is_said_and_not_shown() {
    let (_mariadb, mysql_name) = databases::mariadb();
    let (_postgresql, postgres_name) = databases::postgres();
    is_up(&*mysql(&mysql_name, patient())).await;
    is_up(&*postgres(&postgres_name, patient())).await;
    for sql in [
        mysql(&mysql_name.replace("geheim-7", "geheim-8"), patient()),
        postgres(&postgres_name.replace("geheim-7", "geheim-8"), patient()),
    ] {
        let error = sql.rows("SELECT 1", &[]).await.unwrap_err();
        assert!(matches!(error, StoreError::Login(_)), "{error:?}");
        let shown = format!("{sql:?} {error:?} {error} {:?}", sql.breaker());
        assert!(!shown.contains("geheim"), "{shown}");
    }
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_on_the_server_too() {
    let (_mariadb, mysql_name) = databases::mariadb();
    let (_postgresql, postgres_name) = databases::postgres();
    let mysql = mysql(&mysql_name, faults::remote());
    let postgres = postgres(&postgres_name, faults::remote());
    is_up(&*mysql).await;
    is_up(&*postgres).await;
    for (sql, query, running) in [
        (
            mysql,
            "SELECT SLEEP(60)",
            "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'",
        ),
        (
            postgres,
            "SELECT pg_sleep(60)::text",
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'",
        ),
    ] {
        let result = sql.rows(query, &[]).await;
        assert!(
            matches!(&result, Err(error) if error.is_outage()),
            "{result:?}"
        );
        let is_over =
            async || matches!(sql.rows(running, &[]).await, Ok(rows) if rows == [[Value::Int(0)]]);
        assert!(suite::eventually(is_over).await, "{query} goes on");
    }
}

/// Many entries whose time is over are deleted some at a time: all at once would take longer than a call may.
async fn cleans_some_at_a_time(sql: Arc<dyn Sql>, many: &str) {
    let store = SqlStore::new(sql.clone()).await.unwrap();
    sql.execute(many, &[]).await.unwrap();
    for _ in 0..1024 {
        store.set(b"key", b"value", suite::LONG).await.unwrap();
    }
    let left = row(&*sql, "SELECT count(*) FROM policy_store", &[]).await;
    assert_eq!(left, (10_001 - 8192).to_string());
}

#[tokio::test]
async fn mariadb_is_cleaned_some_entries_at_a_time() {
    let (_server, name) = databases::mariadb();
    let sql = mysql(&name, patient());
    is_up(&*sql).await;
    let many = "INSERT INTO policy_store SELECT seq, '', 0, 0 FROM seq_1_to_10000";
    cleans_some_at_a_time(sql, many).await;
}

#[tokio::test]
async fn postgresql_is_cleaned_some_entries_at_a_time() {
    let (_server, name) = databases::postgres();
    let sql = postgres(&name, patient());
    is_up(&*sql).await;
    let many = "INSERT INTO policy_store SELECT seq::text::bytea, '', 0, 0 \
        FROM generate_series(1, 10000) AS seq";
    cleans_some_at_a_time(sql, many).await;
}
