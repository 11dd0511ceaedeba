//! `Accounting`.

use super::world::{CONNECTIONS, Frame, World};

const FRAME: Frame<'static> = Frame {
    always: "",
    ..Frame::of("Accounting")
};

/// Requests, a query, and its rows after the requests.
type Case<'a> = (&'a str, &'a str, &'a [&'a str], &'a str, &'a [&'a str]);

const ALL: &str =
    "SELECT \"key\", count, count_rcpt, size, size_rcpt FROM acct_sender ORDER BY \"key\"";

#[tokio::test]
async fn each_parameter_says_what_is_counted_where() {
    let month = chrono::Local::now().format("%Y-%m").to_string();
    let cases: &[Case<'_>] = &[
        (
            "the metrics of a mail: a request, its recipients or 1, its size, and size by recipient",
            "fields=sender",
            &[
                "instance=1",
                "instance=2 recipient_count=3 size=1000",
                "instance=3 sender=b@x recipient_count=(absent) size=5",
                "instance=4 sender=b@x size=(absent)",
            ],
            ALL,
            &["b@x 2 2 5 5", "carol@acme.example 2 4 13345 15345"],
        ),
        (
            "a mail counts once, however many requests there are about it",
            "fields=sender",
            &[
                "instance=1",
                "instance=1 recipient=two@ours.example",
                "instance=2",
            ],
            ALL,
            &["carol@acme.example 2 3 24690 37035"],
        ),
        (
            "at RCPT each recipient counts once, and later requests add nothing",
            "fields=sender",
            &[
                "instance=1 recipient=a@x size=10",
                "instance=1 recipient=b@x size=10",
                "instance=1 recipient=A@x size=10",
                "instance=1 recipient= protocol_state=DATA recipient_count=2 size=10",
                "instance=1 recipient= protocol_state=END-OF-MESSAGE recipient_count=2 size=12",
            ],
            ALL,
            &["carol@acme.example 1 2 10 20"],
        ),
        (
            "a mail that is counted at DATA has its number of recipients",
            "fields=sender",
            &[
                "instance=1 recipient= protocol_state=DATA recipient_count=2 size=10",
                "instance=1 recipient= protocol_state=END-OF-MESSAGE recipient_count=2 size=12",
                "instance=1 recipient=b@x size=10",
            ],
            ALL,
            &["carol@acme.example 1 2 10 20"],
        ),
        (
            "each field has a table; one that is absent or blank is left out",
            "fields=\"sender , sasl_username,no_such\"",
            &["instance=1 sasl_username=u1", "instance=2 sasl_username=+"],
            "SELECT 's', \"key\", count FROM acct_sasl_username UNION SELECT 'm', \"key\", count FROM acct_sender",
            &["m carol@acme.example 2", "s u1 1"],
        ),
        (
            "enabled=off: nothing is counted, and no table made",
            "fields=sender\nenabled=off",
            &["instance=1"],
            "SELECT name FROM sqlite_master WHERE name LIKE 'acct%'",
            &[],
        ),
        (
            "uc_enabled: a user may turn it off",
            "fields=sender\nuc_enabled=counting",
            &["instance=1"],
            ALL,
            &["carol@acme.example 1 1 12345 12345"],
        ),
        (
            "time_pattern: what the period is written as",
            "fields=sender\ntime_pattern=all+%%",
            &["instance=1"],
            "SELECT time FROM acct_sender",
            &["all+%"],
        ),
        (
            "time_pattern: the month, unless something else is said",
            "fields=sender",
            &["instance=1"],
            "SELECT time FROM acct_sender",
            &[&month],
        ),
        (
            "table_prefix: what the tables' names begin with",
            "fields=sender\ntable_prefix=mail-",
            &["instance=1"],
            "SELECT count FROM \"mail-sender\"",
            &["1"],
        ),
        (
            "mysql_engine means nothing to other databases",
            "fields=sender\nmysql_engine=InnoDB",
            &["instance=1"],
            "SELECT count FROM acct_sender",
            &["1"],
        ),
        (
            "a value is never a part of a statement",
            "fields=sender",
            &["instance=1 sender=x'+OR+'1'='1", "instance=2 sender=\"--"],
            "SELECT \"key\" FROM acct_sender ORDER BY \"key\"",
            &["\"--", "x' OR '1'='1"],
        ),
        (
            "numbers are read as Perl reads them, and never negative",
            "fields=sender",
            &[
                "instance=1 size=12abc recipient_count=abc",
                "instance=2 size=-5 recipient_count=-2",
            ],
            ALL,
            &["carol@acme.example 2 2 12 12"],
        ),
    ];
    for (name, parameters, requests, query, expected) in cases {
        let world = FRAME.world(parameters).await;
        for request in *requests {
            assert_eq!(world.ask(request).await, "ok", "{name}: {request}");
        }
        assert_eq!(&world.rows(query).await, expected, "{name}");
    }
}

#[tokio::test]
async fn long_values_that_differ_at_their_end_have_counters_of_their_own() {
    let world = FRAME.world("fields=sender").await;
    let long = "a".repeat(600);
    for (instance, end) in [("1", "@one"), ("2", "@two"), ("3", "@one")] {
        let request = format!("instance={instance} sender={long}{end}");
        assert_eq!(world.ask(&request).await, "ok");
    }
    let counts = "SELECT count, LENGTH(\"key\") FROM acct_sender ORDER BY count";
    assert_eq!(world.rows(counts).await, ["1 255", "2 255"]);
}

#[tokio::test]
async fn a_user_may_turn_it_off() {
    let frame = Frame {
        before: "<Plugin s>\nmodule=SetField\nkey=counting\nvalue=off\n</Plugin>",
        ..FRAME
    };
    let world = frame.world("fields=sender\nuc_enabled=counting").await;
    assert_eq!(world.ask("").await, "ok");
    let tables = world.rows("SELECT name FROM sqlite_master WHERE name LIKE 'acct%'");
    assert_eq!(tables.await, [""; 0]);
}

#[tokio::test]
async fn a_mail_without_a_size_fails_only_as_in_the_original() {
    let world = FRAME.world("fields=sender").await.compat();
    let failed = "closed: plugin p failed: size not defined in request";
    assert_eq!(world.ask("instance=1 size=(absent)").await, failed);
    let counted = world
        .ask("instance=2 size=(absent) recipient_count=2")
        .await;
    assert_eq!(counted, "ok");
    assert_eq!(world.rows(ALL).await, ["carol@acme.example 1 2 0 0"]);
}

#[tokio::test]
async fn a_table_of_the_original_gets_its_unique_index_and_loses_what_is_there_twice() {
    let frame = Frame {
        sql: &[
            "CREATE TABLE acct_sender (`id` INTEGER PRIMARY KEY AUTOINCREMENT, `key` VARCHAR(255) NOT NULL, \
            `time` VARCHAR(255) NOT NULL, `count` INT UNSIGNED NOT NULL, `count_rcpt` INT UNSIGNED NOT NULL, \
            `size` INT UNSIGNED NOT NULL, `size_rcpt` INT UNSIGNED NOT NULL)",
            "INSERT INTO acct_sender VALUES (1,'carol@acme.example','t',7,8,9,10), \
            (2,'carol@acme.example','t',6,8,11,9), (3,'b@x','t',1,2,3,4), (4,'b@x','u',1,1,1,1)",
        ],
        ..FRAME
    };
    let world = frame.world("fields=sender\ntime_pattern=t").await;
    assert_eq!(world.ask("size=100").await, "ok");
    assert_eq!(
        world.rows("SELECT * FROM acct_sender ORDER BY id").await,
        [
            "1 carol@acme.example t 8 9 111 110",
            "3 b@x t 1 2 3 4",
            "4 b@x u 1 1 1 1"
        ],
    );
    let indexes = "SELECT count(*) FROM pragma_index_list('acct_sender') WHERE \"unique\"";
    assert_eq!(world.rows(indexes).await, ["1"]);
    // A second start finds it, and makes no other.
    let world = world.again(CONNECTIONS, &frame.plugins("fields=sender\ntime_pattern=t"));
    assert_eq!(world.ask("size=100").await, "ok");
    assert_eq!(world.rows(indexes).await, ["1"]);
}

#[tokio::test]
async fn a_table_that_may_not_be_altered_is_used_as_it_is() {
    // The index cannot be made, since there is another one of its name: what a user may not alter looks the same.
    let frame = Frame {
        sql: &[
            "CREATE TABLE acct_sender (\"key\", time, count, count_rcpt, size, size_rcpt)",
            "CREATE TABLE other (x)",
            "CREATE INDEX acct_sender_time_key ON other (x)",
        ],
        ..FRAME
    };
    let world = frame.world("fields=sender").await;
    for instance in ["instance=1", "instance=2", "instance=3 sender=b@x"] {
        assert_eq!(world.ask(instance).await, "ok");
    }
    let expected = ["b@x 1 1 12345 12345", "carol@acme.example 2 2 24690 24690"];
    assert_eq!(world.rows(ALL).await, expected);
}

#[tokio::test]
async fn many_mails_at_once_are_all_counted() {
    let world = FRAME.world("fields=\"sender, client_address\"").await;
    let requests = (0..200).map(|index| world.ask_owned(format!("instance=i{index} size=10")));
    let answers = futures_util::future::join_all(requests).await;
    assert!(answers.iter().all(|answer| answer == "ok"));
    assert_eq!(
        world.rows(ALL).await,
        ["carol@acme.example 200 200 2000 2000"]
    );
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_fails_the_request_or_not_as_on_error_says() {
    let connections =
        "<Connection db>\nmodule=Sql\ndsn=dbi:SQLite:dbname=@TMP@/none/db.sqlite\n</Connection>\n";
    let plugins = |more: &str| FRAME.plugins(&format!("fields=sender\n{more}"));
    let world = World::new(connections, &plugins(""));
    let answer = world.ask("").await;
    assert!(
        answer.starts_with("closed: plugin p failed: db (sqlite /"),
        "{answer}"
    );
    let world = World::new(connections, &plugins("on_error=continue"));
    assert_eq!(world.ask("").await, "ok");
}

#[test]
fn what_cannot_work_is_said_when_the_configuration_is_read() {
    for (parameters, finding) in [
        ("", "error: `fields` is missing in `p`"),
        (
            "fields=\"sender, a b\"",
            "error: `acct_a b` is no name of a table: letters, digits, `_`, `-` and `.`",
        ),
        (
            "fields=sender\ntable_prefix=\"a`\"",
            "error: `a`sender` is no name of a table: letters, digits, `_`, `-` and `.`",
        ),
        (
            "fields=sender\ntime_pattern=%Q",
            "error: `time_pattern` is `%Q`: no pattern of strftime",
        ),
        (
            "fields=sender\nmysql_engine=\"a b\"",
            "error: `mysql_engine` is `a b`: no name",
        ),
        (
            "fields=sender\ndb=other",
            "error: there is no <Connection other> with a module Sql",
        ),
        (
            "fields=sender\nenabled=no",
            "warning: `enabled` is `no`, which means on: use one of on, off",
        ),
    ] {
        assert_eq!(FRAME.findings(parameters, false), [finding], "{parameters}");
    }
}
