//! `--explain` beside a daemon that counts in a database of a server: it sees what is there, and leaves it.

use std::{
    fs::File,
    process::{Command, Stdio},
};

use policy_testing::process::Process;

use super::{
    daemon::{Daemon, PROGRAM},
    databases::connections,
    support::databases,
    world::World,
};

const PLUGINS: &str = "\
<Plugin acct>
  module = Accounting
  fields = sender
  time_pattern = t
</Plugin>
<Plugin quota>
  module = Quota
  field = sender
  metric = count
  threshold = 1000
  time_pattern = t
</Plugin>
<Plugin pot>
  module = Honeypot
  store = db
  recipients = trap@x
  mode = passive
</Plugin>
<Plugin writes>
  module = SqlList
  field = sender
  sql_query = WRITE
  on_error = continue
</Plugin>
<Plugin limit>
  module = Limit
  store = db
  limits = 5/1h
  count_at = RCPT
</Plugin>
<Plugin grey>
  module = Greylist
  <Ticket>
    module = Sql
  </Ticket>
  <AWL>
    module = Sql
  </AWL>
</Plugin>";

const REQUEST: [(&str, &str); 6] = [
    ("protocol_state", "RCPT"),
    ("recipient_count", "0"),
    ("size", "10"),
    ("sender", "a@y"),
    ("recipient", "trap@x"),
    ("client_address", "192.0.2.1"),
];

fn explain(daemon: &Daemon) -> String {
    let mut input = "request=smtpd_access_policy\n".to_owned();
    for (name, value) in REQUEST {
        input.push_str(&format!("{name}={value}\n"));
    }
    std::fs::write(daemon.path("input"), input).unwrap();
    let mut command = Command::new(PROGRAM);
    command
        .args(["--explain", "-c"])
        .arg(daemon.path("mtpolicyd.conf"))
        .stdin(Stdio::from(File::open(daemon.path("input")).unwrap()));
    let ended = Process::of(&mut command).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.out
}

async fn explanations_leave_a_database_as_it_is(dsn: &str, write: &str, key: &str) {
    let connections = connections(dsn);
    let daemon = Daemon::start(&connections, &PLUGINS.replace("WRITE", write));
    let world = World::new(
        &connections,
        "<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n",
    );
    let tables = "SELECT COUNT(*) FROM information_schema.tables \
        WHERE table_name IN ('acct_sender', 'autowl', 'policy_store')";
    let changes = [
        "would do in db: ",
        "would set `pot,192.0.2.1` in db",
        "would count 1 for `limit 5:limit 6:sender 3:a@y` in db",
        "would set `ticket 3:a@y 9:192.0.2.1 6:trap@x` in db",
    ];
    let text = explain(&daemon);
    for part in changes.into_iter().chain(["sender a@y: 0 of 1000"]) {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(world.rows(tables).await, ["0"], "{text}");

    for _ in 0..2 {
        assert!(
            daemon
                .ask(&REQUEST)
                .starts_with("defer greylisting is active")
        );
    }
    assert_eq!(world.rows(tables).await, ["3"]);
    let counted = format!("SELECT {key}, count, count_rcpt FROM acct_sender");
    let kept = "SELECT COUNT(*) FROM policy_store";
    let before = (world.rows(&counted).await, world.rows(kept).await);
    let text = explain(&daemon);
    for part in [
        "sender a@y: 2 of 1000",
        "ip 192.0.2.1 is in the honeypot",
        "sender=a@y: 3 of 5/1h messages",
        "writes (SqlList): error: db (",
        "invalid greylisting ticket. wait again",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let is_refused = |text: &str| {
        text.to_ascii_lowercase()
            .replace('-', " ")
            .contains("read only")
    };
    assert!(is_refused(&text), "{text}");
    assert_eq!((world.rows(&counted).await, world.rows(kept).await), before);
}

#[tokio::test]
async fn explanations_leave_mariadb_as_it_is() {
    let (_server, dsn) = databases::mariadb();
    let world = World::new(
        &connections(&dsn),
        "<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n",
    );
    world
        .execute("CREATE TABLE asked (sender VARCHAR(255))")
        .await;
    let write = "\"INSERT INTO asked VALUES (?) RETURNING sender\"";
    explanations_leave_a_database_as_it_is(&dsn, write, "`key`").await;
    assert_eq!(world.rows("SELECT COUNT(*) FROM asked").await, ["2"]);
}

#[tokio::test]
async fn explanations_leave_postgres_as_it_is() {
    let (_server, dsn) = databases::postgres();
    let world = World::new(
        &connections(&dsn),
        "<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n",
    );
    world
        .execute("CREATE TABLE asked (sender VARCHAR(255))")
        .await;
    let write = "\"INSERT INTO asked VALUES (?) RETURNING sender\"";
    explanations_leave_a_database_as_it_is(&dsn, write, "\"key\"").await;
    assert_eq!(world.rows("SELECT COUNT(*) FROM asked").await, ["2"]);
}
