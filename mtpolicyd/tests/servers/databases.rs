//! MariaDB and PostgreSQL.

use super::{
    redis::shown_and_reset,
    support::{Server, databases, run, text},
    world::{Frame, World},
};

pub(super) fn connections(dsn: &str) -> String {
    format!("<Connection db>\nmodule=Sql\ndsn={dsn}\n</Connection>\n")
}

const ACCOUNTING: Frame<'static> = Frame::of("Accounting");
const LIMIT: Frame<'static> = Frame::of("Limit");

/// Mails of two daemons at once.
async fn ask_all(hosts: [&World; 2], count: usize) -> Vec<String> {
    let ask = |index: usize| hosts[index % 2].ask_owned(format!("instance=i{index} size=10"));
    futures_util::future::join_all((0..count).map(ask)).await
}

/// Two daemons count all mails, in a table that they make, and Quota sees it.
async fn two_hosts_count_in_one_table(dsn: &str, columns: &str) {
    let connections = connections(dsn);
    let plugins = ACCOUNTING.plugins("fields=sender\ntime_pattern=t\nmysql_engine=InnoDB");
    let hosts = [
        World::new(&connections, &plugins),
        World::new(&connections, &plugins),
    ];
    let answers = ask_all([&hosts[0], &hosts[1]], 100).await;
    assert!(answers.iter().all(|answer| answer == "ok"), "{answers:?}");
    let query = format!("SELECT {columns}, count, count_rcpt, size, size_rcpt FROM acct_sender");
    let rows = hosts[0].rows(&query).await;
    assert_eq!(rows, ["carol@acme.example t 100 100 1000 1000"]);
    for (threshold, expected) in [
        (1000, "defer smtp traffic quota has been exceeded"),
        (1001, "ok"),
    ] {
        let quota = Frame::of("Quota").plugins(&format!(
            "field=sender\nmetric=size\nthreshold={threshold}\ntime_pattern=t"
        ));
        let world = World::new(&connections, &quota);
        assert_eq!(world.ask("").await, expected, "{threshold}");
    }
}

/// Two daemons let no more pass than one.
async fn two_hosts_have_one_limit(dsn: &str) {
    let connections = connections(dsn);
    let plugins = LIMIT.plugins("limits=7/1h\ncount_at=RCPT\nstore=db\naction=\"reject over\"");
    let hosts = [
        World::new(&connections, &plugins),
        World::new(&connections, &plugins),
    ];
    let answers = ask_all([&hosts[0], &hosts[1]], 20).await;
    let passed = answers.iter().filter(|answer| *answer == "ok").count();
    let denied = answers.iter().filter(|answer| *answer == "reject over");
    assert_eq!((passed, denied.count()), (7, 13), "{answers:?}");
}

#[tokio::test]
async fn postgres_counts_and_limits_for_two_hosts() {
    let (_server, dsn) = databases::postgres();
    two_hosts_count_in_one_table(&dsn, "\"key\", \"time\"").await;
    two_hosts_have_one_limit(&dsn).await;
    shown_and_reset(&connections(&dsn).replace("db>", "limits>")).await;
}

#[tokio::test]
async fn mariadb_counts_and_limits_for_two_hosts() {
    let (_server, dsn) = databases::mariadb();
    two_hosts_count_in_one_table(&dsn, "`key`, `time`").await;
    two_hosts_have_one_limit(&dsn).await;
    shown_and_reset(&connections(&dsn).replace("db>", "limits>")).await;
}

/// Statements as the administrator.
pub(super) fn administer(server: &Server, statements: &str) {
    let socket = format!("--socket={}", text(&server.directory().join("socket")));
    let words = [
        "--no-defaults",
        &socket,
        "--user=root",
        "mail",
        "-e",
        statements,
    ];
    run("mariadb", &words);
}

const OLD: &str = "CREATE TABLE acct_sender (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, `key` VARCHAR(255) NOT NULL, \
    `time` VARCHAR(255) NOT NULL, `count` INT UNSIGNED NOT NULL, count_rcpt INT UNSIGNED NOT NULL, \
    size INT UNSIGNED NOT NULL, size_rcpt INT UNSIGNED NOT NULL) DEFAULT CHARSET=latin1; \
    INSERT INTO acct_sender VALUES (1,'carol@acme.example','t',7,8,9,10),(2,'carol@acme.example','t',6,8,11,9)";

const ROWS: &str =
    "SELECT `key`, `time`, count, count_rcpt, size, size_rcpt FROM acct_sender ORDER BY id";

#[tokio::test]
async fn a_table_of_mariadb_without_an_index_gets_one_or_is_used_as_it_is() {
    let (server, dsn) = databases::mariadb();
    let plugins = ACCOUNTING.plugins("fields=sender\ntime_pattern=t");
    // Only this much is granted to the second user.
    let user = format!("reader@'127.0.0.1' IDENTIFIED BY '{}'", databases::PASSWORD);
    administer(
        &server,
        &format!(
            "{OLD}; CREATE USER {user}; GRANT SELECT, INSERT, UPDATE ON mail.* TO reader@'127.0.0.1'"
        ),
    );
    let world = World::new(&connections(&dsn.replace("policy:", "reader:")), &plugins);
    for request in ["instance=1 size=10", "instance=2 size=10 sender=b@x"] {
        assert_eq!(world.ask(request).await, "ok", "{request}");
    }
    let rows = world.rows(ROWS).await;
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!(rows[2], "b@x t 1 1 10 10");
    assert!(rows[0].starts_with("carol@acme.example t 8 9 "), "{rows:?}");

    let world = World::new(&connections(&dsn), &plugins);
    assert_eq!(world.ask("instance=3 size=10").await, "ok");
    let rows = world.rows(ROWS).await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(
        rows[0].starts_with("carol@acme.example t 9 10 "),
        "{rows:?}"
    );
    let keys = "SELECT COUNT(*) FROM information_schema.statistics WHERE table_name='acct_sender' AND index_name='time_key'";
    assert_eq!(world.rows(keys).await, ["2"]);
}

#[tokio::test]
async fn the_default_query_of_a_list_finds_an_address_in_mariadb() {
    let (server, dsn) = databases::mariadb();
    administer(
        &server,
        "CREATE TABLE whitelist (client_ip INT UNSIGNED); INSERT INTO whitelist VALUES (INET_ATON('100.64.2.10'))",
    );
    let plugins = Frame::of("SqlList").plugins("match_action=\"dunno white\"");
    let world = World::new(&connections(&dsn), &plugins);
    for (address, expected) in [
        ("100.64.2.10", "dunno white"),
        ("100.64.2.11", "ok"),
        ("2001:db8::1", "ok"),
        ("x'+OR+'1'='1", "ok"),
    ] {
        let request = format!("client_address={address} instance={address}");
        assert_eq!(world.ask(&request).await, expected, "{address}");
    }
}

#[tokio::test]
async fn a_database_that_comes_back_counts_again() {
    let (mut server, dsn) = databases::postgres();
    let plugins = ACCOUNTING.plugins("fields=sender\ntime_pattern=t\non_error=continue");
    let world = World::new(&connections(&dsn), &plugins);
    assert_eq!(world.ask("instance=1").await, "ok");
    server.kill();
    for instance in 2..8 {
        assert_eq!(world.ask(&format!("instance={instance}")).await, "ok");
    }
    server.start_again();
    let database = world.config.connections.sql("db").unwrap();
    let database = database.get().await.unwrap();
    let mut states = database.breaker().watch();
    let is_closed = |status: &policy_store::BreakerStatus| {
        matches!(status.state, policy_store::BreakerState::Closed)
    };
    states.wait_for(is_closed).await.unwrap();
    assert_eq!(world.ask("instance=9").await, "ok");
    assert_eq!(world.rows("SELECT count FROM acct_sender").await, ["2"]);
}
