//! Stores as the log, the status and the answers show them: a database file that cannot be opened, one that is replaced,
//! servers that are down, and keys that clients make long.

use std::fs;

use policy_testing::{eventually, process::Process};

use super::world::{PROGRAM, World, ask, host};

const GLOBALS: &str = "\
control = unix:@TMP@/control
<Connection db>
  module = Sql
  dsn = dbi:SQLite:dbname=@TMP@/later/db.sqlite
</Connection>
<SessionCache>
  module = Sql
</SessionCache>
";

const PLUGINS: &str = "\
<Plugin count>
  module = Accounting
  fields = sender
  time_pattern = t
  on_error = continue
</Plugin>
<Plugin quota>
  module = Quota
  field = sender
  metric = count
  threshold = 3
  time_pattern = t
  action = reject full
  on_error = continue
</Plugin>
";

fn request(instance: &str) -> String {
    format!("sender=a@x\nsize=1\nprotocol_state=DATA\nrecipient_count=1\ninstance={instance}")
}

struct Stored {
    world: World,
    process: Process,
}

impl Stored {
    fn start() -> Self {
        let world = World::new(&(GLOBALS.to_owned() + &host(PLUGINS)));
        let process = world.serve(&[]);
        Self { world, process }
    }

    fn make_directory(&self) {
        fs::create_dir(self.world.path("later")).unwrap();
    }

    fn ask(&self, instance: &str) -> String {
        let mut client = self.world.connect();
        ask(&mut client, &request(instance)).unwrap()
    }

    fn stores(&self) -> serde_json::Value {
        let path = self.world.path("control").display().to_string();
        let words = ["ctl", "--socket", &path, "status", "--json"];
        let ended = Process::start(PROGRAM, &words).end();
        let status: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        status["stores"].clone()
    }

    /// Waits for a line of the log.
    fn wait(&self, part: &str) {
        let is_said = self.process.err.wait_lines(1, part);
        assert!(is_said, "{part}: {}", self.process.err.text());
    }
}

#[test]
fn a_database_file_is_away_and_back_in_the_words_of_all_stores() {
    let stored = Stored::start();
    let file = format!("sqlite {}/later/db.sqlite", stored.world.path("").display());
    let before = stored.stores();
    let store = &before[0];
    assert_eq!(
        store["server"],
        file.as_str(),
        "it is shown before it is needed: {before}"
    );
    assert_eq!(store["used_by"], "SessionCache, count, quota");
    assert_eq!(store["is_good"], true);
    for instance in ["1", "2", "3", "4"] {
        assert_eq!(stored.ask(instance), "action=dunno");
    }
    stored.wait(&format!(
        "error: connection db is away, and is tried in the background: {file}: No such file or directory"
    ));
    stored.wait("; until it is back the plugins count, quota do what their on_error says, and requests have no sessions");
    stored.wait(&format!("plugin count failed: db ({file}): "));
    let away = stored.stores();
    assert_eq!(away[0]["is_good"], false, "{away}");
    assert!(
        away[0]["why"].as_str().unwrap().contains("No such file"),
        "{away}"
    );
    stored.make_directory();
    stored.wait(&format!("connection db is back: {file}"));
    for (instance, answer) in [("5", "dunno"), ("6", "dunno"), ("7", "reject full")] {
        assert_eq!(stored.ask(instance), format!("action={answer}"));
    }
    assert_eq!(stored.process.err.lines("is away, and").len(), 1);
}

#[test]
fn a_database_file_that_is_removed_is_said_and_counts_anew() {
    let stored = Stored::start();
    stored.make_directory();
    for (instance, answer) in [("1", "dunno"), ("2", "dunno"), ("3", "reject full")] {
        assert_eq!(stored.ask(instance), format!("action={answer}"));
    }
    let path = stored.world.path("later/db.sqlite");
    fs::remove_file(&path).unwrap();
    let mut number = 10;
    let is_empty = || {
        number += 1;
        stored.ask(&number.to_string()) == "action=dunno"
    };
    assert!(eventually(is_empty), "{}", stored.process.err.text());
    stored.wait(&format!(
        "connection db: sqlite {}/later/db.sqlite was removed, replaced or cut to nothing, and is opened again without what was in the old one",
        stored.world.path("").display()
    ));
    assert!(path.exists());
    // The request during which it was opened again may have counted in the old one.
    assert_eq!(stored.ask("a"), "action=dunno");
    let answers = ["b", "c"].map(|instance| stored.ask(instance));
    assert_eq!(answers[1], "action=reject full", "{answers:?}");
    assert_eq!(stored.process.err.lines(" failed: "), Vec::<String>::new());
}

#[test]
fn a_long_instance_is_a_mail_like_any_other() {
    let stored = Stored::start();
    stored.make_directory();
    let long = "i".repeat(5000);
    for _ in 0..4 {
        assert_eq!(stored.ask(&long), "action=dunno", "the mail counts once");
    }
    // Another one that begins as this one.
    assert_eq!(stored.ask(&(long.clone() + "1")), "action=dunno");
    assert_eq!(stored.ask(&(long + "2")), "action=reject full");
    assert_eq!(stored.process.err.lines("session"), Vec::<String>::new());
}

#[test]
fn servers_that_are_down_are_named_with_the_cause_and_without_a_password() {
    let connections = "\
<Connection my>
  module = Sql
  dsn = dbi:mysql:database=mail;host=127.0.0.1;port=1
  user = u
  password = geheim
</Connection>
<Connection pg>
  module = Sql
  dsn = dbi:Pg:dbname=mail;host=127.0.0.1;port=1
  user = u
  password = geheim
</Connection>
<Connection file>
  module = Sql
  dsn = dbi:SQLite:dbname=/proc/none/db.sqlite
</Connection>
<Connection red>
  module = Redis
  server = 127.0.0.1:1
  password = geheim
</Connection>
<Connection mem>
  module = Memcached
  servers = 127.0.0.1:1
</Connection>
<Connection dir>
  module = Ldap
  host = 127.0.0.1
  port = 1
  starttls = 0
  binddn = \"cn=u\"
  password = geheim
</Connection>
";
    let list = |name: &str| {
        format!(
            "<Plugin {name}>\nmodule=SqlList\ndb={name}\nsql_query=\"SELECT 1 WHERE '1'=?\"\non_error=continue\n</Plugin>\n"
        )
    };
    let pot = |name: &str| {
        format!(
            "<Plugin {name}>\nmodule=Honeypot\nstore={name}\nrecipients=trap@x\non_error=continue\n</Plugin>\n"
        )
    };
    let user = "<Plugin dir>\nmodule=LdapUserConfig\nldap=dir\nbasedn=\"dc=x\"\nfilter=(uid=%s)\nfilter_field=sender\n\
        config_fields=a\non_error=continue\n</Plugin>\n";
    let plugins = list("my") + &list("pg") + &pot("red") + &pot("mem") + user;
    let world = World::new(&(connections.to_owned() + &host(&plugins)));
    let request = "protocol_state=RCPT\nsender=a@y\nrecipient=trap@x\nclient_address=192.0.2.1\n";
    let ended = world.run_with(&["--explain"], request);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for remote in [
        "my (mysql 127.0.0.1:1 mail)",
        "pg (postgres 127.0.0.1:1 mail)",
        "red (redis 127.0.0.1:1)",
        "mem (memcached 127.0.0.1:1)",
        "dir (ldap 127.0.0.1:1)",
    ] {
        let name = remote.split(' ').next().unwrap();
        let mut lines = ended.out.lines();
        let line = lines.find(|line| line.trim_start().starts_with(&format!("{name} (")));
        let line = line.unwrap_or_else(|| panic!("{name}: {}", ended.out));
        assert!(line.contains(remote), "{remote}: {line}");
        assert!(line.contains("Connection refused"), "{remote}: {line}");
    }
    assert!(!ended.out.contains("geheim"), "{}", ended.out);
}
