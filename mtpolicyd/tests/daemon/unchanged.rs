//! What an explanation and a dry run leave as it is.

use std::{fs, os::unix::net::UnixListener, path::Path};

use policy_store::{Sql as _, Sqlite, SqliteOptions};
use policy_testing::{
    eventually,
    stub::{Script, Stub},
};

use super::world::{World, host};

/// Everything that writes somewhere, counts, bans or tells.
pub(super) const PLUGINS: &str = "\
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
<Plugin ban>
  module = Fail2Ban
  socket = @TMP@/fail2ban
</Plugin>
<Plugin limit>
  module = Limit
  store = db
  limits = 0/1h
  count_at = RCPT
  score = 1
  on_block_command = \"/usr/bin/touch @TMP@/told\"
</Plugin>
<Plugin other>
  module = Proxy
  host = STUB
  on_error = continue
</Plugin>
<Plugin grey>
  module = Greylist
  <Ticket>
    module = Sql
  </Ticket>
  <AWL>
    module = Sql
  </AWL>
</Plugin>
";

pub(super) const GLOBALS: &str = "\
log_level = 4
<Connection db>
  module = Sql
  dsn = dbi:SQLite:dbname=@TMP@/db.sqlite
</Connection>
<SessionCache>
  module = Sql
</SessionCache>
";

/// A request about a mail of its own, or of this one.
pub(super) fn request(instance: &str) -> String {
    format!(
        "request=smtpd_access_policy\nprotocol_state=RCPT\nrecipient_count=0\nsize=10\nsender=a@y\n\
         recipient=trap@x\nclient_address=192.0.2.1\ninstance={instance}\n"
    )
}

struct Changing {
    world: World,
    stub: Stub,
    fail2ban: UnixListener,
}

impl Changing {
    fn new() -> Self {
        let stub = Stub::tcp(Script::default());
        let plugins = PLUGINS.replace("STUB", stub.address().trim_start_matches("inet:"));
        let world = World::new(&(GLOBALS.to_owned() + &host(&plugins)));
        let fail2ban = UnixListener::bind(world.path("fail2ban")).unwrap();
        fail2ban.set_nonblocking(true).unwrap();
        Self {
            world,
            stub,
            fail2ban,
        }
    }

    fn explain(&self, instance: &str) -> String {
        let ended = self.world.run_with(&["--explain"], &request(instance));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.out
    }

    /// Nobody outside was told or asked.
    fn assert_silent(&self) {
        assert!(self.fail2ban.accept().is_err(), "nobody is banned");
        assert!(!self.world.path("told").exists(), "nobody is told");
    }

    /// All rows of all tables.
    fn rows(&self) -> Vec<String> {
        rows(&self.world.path("db.sqlite"))
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.world.path("")).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "input")
            .collect();
        names.sort();
        names
    }
}

pub(super) fn rows(path: &Path) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let file = Sqlite::open(SqliteOptions::new(path)).await.unwrap();
        let tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
        let mut all = Vec::new();
        for table in file.rows(tables, &[]).await.unwrap() {
            let name = table[0].text().unwrap().into_owned();
            let name = String::from_utf8(name).unwrap();
            let query = format!("SELECT * FROM \"{name}\"");
            for row in file.rows(&query, &[]).await.unwrap() {
                all.push(format!("{name}: {row:?}"));
            }
        }
        all
    })
}

/// What is said that would change.
const CHANGES: [&str; 10] = [
    "would do in db: INSERT INTO \"acct_sender\"",
    "\"size_rcpt\" = \"acct_sender\".\"size_rcpt\" + excluded.\"size_rcpt\" [a@y, t, 1, 1, 10, 10]",
    "would set `pot,192.0.2.1` in db",
    "would add ip 192.0.2.1 to fail2ban jail postfix",
    "would count 1 for `limit 5:limit",
    "would set `limit-mail 5:limit 1:1 0:` in db",
    "would set `limit-told 5:limit",
    "would tell of it, by command or to a web server",
    "which may count the request",
    "would set `ticket 3:a@y 9:192.0.2.1 6:trap@x` in db",
];

#[test]
fn an_explanation_makes_nothing_and_says_what_would_be_written() {
    let changing = Changing::new();
    let before = changing.files();
    for _ in 0..2 {
        let text = changing.explain("1");
        for change in CHANGES {
            assert!(text.contains(change), "{change}\n{text}");
        }
        assert!(!text.contains("error: "), "{text}");
        assert!(
            text.contains("action=defer greylisting is active"),
            "{text}"
        );
    }
    changing.assert_silent();
    assert_eq!(changing.files(), before);
}

#[test]
fn an_explanation_sees_what_the_daemon_has_counted_and_leaves_it() {
    let changing = Changing::new();
    // The stub's answer would end the chain.
    let plugins = PLUGINS.replace("module = Proxy\n  host = STUB", "module = Stress");
    changing
        .world
        .configure(&(GLOBALS.to_owned() + &host(&plugins)));
    let daemon = changing.world.serve(&[]);
    for instance in ["1", "2", "3"] {
        let answer = changing.world.ask(&request(instance)).unwrap();
        assert!(answer.starts_with("action=defer greylisting"), "{answer}");
    }
    assert!(eventually(|| changing.world.path("told").exists()));
    let before = changing.rows();
    // A mail that is counted already, and one that is not.
    let counted = changing.explain("3");
    assert!(counted.contains("the mail is counted already"), "{counted}");
    let text = changing.explain("4");
    for part in [
        "sender a@y: 3 of 1000",
        "ip 192.0.2.1 is in the honeypot",
        "0/1h messages",
        "invalid greylisting ticket. wait again",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(
        text.contains(": 4 of 0/1h"),
        "as if it were counted: {text}"
    );
    assert!(!text.contains("would tell of it"), "it was told: {text}");
    assert_eq!(changing.rows(), before);
    // The daemon counts on.
    changing.world.ask(&request("5")).unwrap();
    let text = changing.explain("6");
    assert!(text.contains("sender a@y: 4 of 1000"), "{text}");
    drop(daemon);
}

#[test]
fn a_dry_run_counts_and_asks_but_bans_and_tells_nobody() {
    let changing = Changing::new();
    let daemon = changing.world.serve(&["--dry-run"]);
    let answer = changing.world.ask(&request("1")).unwrap();
    assert_eq!(answer, "action=dunno");
    assert!(
        daemon
            .err
            .wait_lines(1, "would add ip 192.0.2.1 to fail2ban jail")
    );
    assert!(daemon.err.wait_lines(1, "would tell of it"));
    let rows = changing.rows();
    for part in ["acct_sender: ", "pot,192.0.2.1"] {
        let bytes = format!("{:?}", part.as_bytes());
        let bytes = bytes.trim_matches(['[', ']']);
        let is_there = rows
            .iter()
            .any(|row| row.contains(part) || row.contains(bytes));
        assert!(is_there, "{part}: {rows:?}");
    }
    assert_eq!(changing.stub.requests().len(), 1, "others are asked");
    changing.assert_silent();
}
