//! The auto whitelist of Greylist.

use policy_store::{Sql, Sqlite, SqliteOptions, Value};

use super::{DEFERRED, END, OK, greylist};
use crate::support::Checker;

/// Tickets in memory, the auto whitelist in a file of SQLite.
fn with_table(path: &std::path::Path, parameters: &str) -> String {
    format!(
        "<Connection db>\nmodule=Sql\ndsn=\"dbi:SQLite:dbname={}\"\n</Connection>\n{}",
        path.display(),
        greylist(parameters).replace("<AWL>\nmodule=Memory", "<AWL>\nmodule=Sql")
    )
}

async fn passes_three_times_and_is_known(checker: &mut Checker) {
    for round in 0..3 {
        let request = format!("recipient=r{round}@ours.example");
        assert_eq!(checker.ask(&request).await, DEFERRED);
        checker.advance(301).await;
        assert_eq!(checker.ask(&request).await, "dunno");
    }
    checker
        .expect(&[
            ("recipient=new@ours.example", "dunno"),
            ("recipient=new@ours.example sender=X@ACME.example", "dunno"),
            ("recipient=new@ours.example sender=x@else.example", DEFERRED),
            (
                "recipient=new@ours.example client_address=100.64.2.11",
                DEFERRED,
            ),
        ])
        .await;
    // After 60 days without a mail it is new.
    checker.advance(5_184_001).await;
    let request = "recipient=new2@ours.example";
    assert_eq!(checker.ask(request).await, DEFERRED);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_passed_three_times_is_not_asked_any_more() {
    let mut checker = Checker::new(&greylist("mode=accept"), "");
    passes_three_times_and_is_known(&mut checker).await;
}

#[tokio::test]
async fn the_auto_whitelist_may_be_a_table() {
    let directory = tempfile::tempdir().unwrap();
    let blocks = with_table(&directory.path().join("db.sqlite"), "mode=accept");
    let mut checker = Checker::new(&blocks, "").in_real_time();
    passes_three_times_and_is_known(&mut checker).await;
}

#[tokio::test]
async fn nobody_gets_on_the_list_of_the_original() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.sqlite");
    let blocks = format!(
        "<Connection db>\nmodule=Sql\ndsn=\"dbi:SQLite:dbname={}\"\n</Connection>\n\
         <Connection memcached>\nmodule=Memory\n</Connection>\n\
         <Plugin g>\nmodule=Greylist\nmode=accept\n</Plugin>\n{END}",
        path.display()
    );
    let mut checker = Checker::compat(&blocks, "").in_real_time();
    for round in 0..4 {
        let request = format!("recipient=r{round}@ours.example");
        assert_eq!(checker.ask(&request).await, DEFERRED);
        checker.advance(301).await;
        assert_eq!(checker.ask(&request).await, "accept");
    }
    assert_eq!(checker.ask("recipient=new@ours.example").await, DEFERRED);
    assert_eq!(rows(&path).await, Vec::<Vec<Value>>::new());
}

async fn rows(path: &std::path::Path) -> Vec<Vec<Value>> {
    let file = Sqlite::open(SqliteOptions::new(path)).await.unwrap();
    let query = "SELECT sender_domain, client_ip, count FROM autowl ORDER BY id";
    file.rows(query, &[]).await.unwrap()
}

/// The parameters; how often the client has passed; days; the answer to one more mail then.
const AUTOWL: [(&str, usize, u64, &str); 7] = [
    ("autowl_threshold=1", 1, 0, OK),
    ("autowl_threshold=2", 1, 0, DEFERRED),
    ("autowl_threshold=2", 2, 0, OK),
    ("autowl_threshold=1\nuse_autowl=0", 1, 0, DEFERRED),
    ("autowl_threshold=1\nquery_autowl=0", 1, 0, DEFERRED),
    ("autowl_threshold=1\nautowl_expire_days=2", 1, 1, OK),
    ("autowl_threshold=1\nautowl_expire_days=2", 1, 3, DEFERRED),
];

async fn passes_and_comes_again(checker: &mut Checker, passes: usize, days: u64) -> String {
    for round in 0..passes {
        let request = format!("recipient=r{round}@ours.example");
        checker.ask(&request).await;
        checker.advance(301).await;
        assert_eq!(checker.ask(&request).await, OK);
    }
    checker.advance(days * 86_400).await;
    checker.ask("recipient=new@ours.example").await
}

#[tokio::test(start_paused = true)]
async fn each_parameter_of_the_auto_whitelist_does_what_it_says() {
    for (parameters, passes, days, answer) in AUTOWL {
        let mut checker = Checker::new(&greylist(parameters), "");
        let got = passes_and_comes_again(&mut checker, passes, days).await;
        assert_eq!(got, answer, "{parameters} {days}");
    }
}

#[tokio::test]
async fn each_parameter_does_so_with_a_table() {
    for (parameters, passes, days, answer) in AUTOWL {
        let directory = tempfile::tempdir().unwrap();
        let blocks = with_table(&directory.path().join("db.sqlite"), parameters);
        let mut checker = Checker::new(&blocks, "").in_real_time();
        let got = passes_and_comes_again(&mut checker, passes, days).await;
        assert_eq!(got, answer, "{parameters} {days}");
    }
}

#[tokio::test]
async fn a_table_of_the_original_is_used_and_gets_its_index() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.sqlite");
    let file = Sqlite::open(SqliteOptions::new(&path)).await.unwrap();
    let create = "CREATE TABLE mine (`id` INTEGER PRIMARY KEY AUTOINCREMENT, `sender_domain` VARCHAR(255) NOT NULL, \
        `client_ip` VARCHAR(39) NOT NULL, `count` INT UNSIGNED NOT NULL, `last_seen` INTEGER NOT NULL)";
    file.execute(create, &[]).await.unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    for count in [2, 7] {
        let insert = format!(
            "INSERT INTO mine VALUES (NULL, 'acme.example', '100.64.2.10', {count}, {now})"
        );
        file.execute(&insert, &[]).await.unwrap();
    }
    let blocks = format!(
        "<Connection db>\nmodule=Sql\ndsn=\"dbi:SQLite:dbname={}\"\n</Connection>\n\
         <Plugin g>\nmodule=Greylist\nautowl_table=mine\n<Ticket>\nmodule=Memory\n</Ticket>\n</Plugin>\n{END}",
        path.display()
    );
    let mut checker = Checker::new(&blocks, "");
    assert_eq!(checker.ask("").await, OK);
    let rows = file
        .rows("SELECT count FROM mine ORDER BY id", &[])
        .await
        .unwrap();
    assert_eq!(rows, [[Value::Int(8)]]);
}

#[tokio::test]
async fn a_table_that_may_not_be_altered_is_used_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.sqlite");
    let file = Sqlite::open(SqliteOptions::new(&path)).await.unwrap();
    // The index cannot be made, since there is another one of its name: what a user may not alter looks the same.
    for statement in [
        "CREATE TABLE autowl (id INTEGER PRIMARY KEY, sender_domain TEXT, client_ip TEXT, count INT, last_seen INT)",
        "CREATE TABLE other (x)",
        "CREATE INDEX autowl_domain_ip ON other (x)",
        // Long ago: it begins at one again.
        "INSERT INTO autowl VALUES (1, 'acme.example', '100.64.2.10', 7, 1)",
    ] {
        file.execute(statement, &[]).await.unwrap();
    }
    let blocks = with_table(&path, "autowl_threshold=2");
    let mut checker = Checker::new(&blocks, "").in_real_time();
    for (recipient, counts) in [("a", [1].as_slice()), ("b", &[2]), ("c", &[3])] {
        let request = format!("recipient={recipient}@ours.example");
        if recipient != "c" {
            assert_eq!(checker.ask(&request).await, DEFERRED, "{recipient}");
            checker.advance(301).await;
        }
        assert_eq!(checker.ask(&request).await, OK, "{recipient}");
        let found = rows(&path).await;
        let found: Vec<_> = found.iter().map(|row| row[2].int().unwrap()).collect();
        assert_eq!(found, counts, "{recipient}");
    }
}

#[tokio::test]
async fn the_hourly_task_forgets_clients_that_do_not_come() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.sqlite");
    let blocks = with_table(&path, "");
    let mut checker = Checker::new(&blocks, "").in_real_time();
    for (client, days) in [("100.64.2.10", 30), ("100.64.2.11", 31)] {
        let request = format!("client_address={client}");
        checker.ask(&request).await;
        checker.advance(301).await;
        assert_eq!(checker.ask(&request).await, OK);
        checker.advance(days * 86_400).await;
    }
    let plugin = &checker.config.hosts[0].chain.links()[0].plugin;
    plugin.cron("daily", &checker.services).await.unwrap();
    assert_eq!(rows(&path).await.len(), 2);
    plugin.cron("hourly", &checker.services).await.unwrap();
    let left = rows(&path).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0][1], Value::from("100.64.2.11"));
}
