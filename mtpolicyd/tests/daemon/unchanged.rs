//! What an explanation and a dry run leave as it is, and whose the files are that a task of root's makes.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        net::UnixListener,
    },
    path::Path,
};

use policy_store::{Sql as _, Sqlite, SqliteOptions};
use policy_testing::{
    eventually,
    process::{as_user, is_root},
    stub::{Script, Stub},
};

use super::world::{World, host};

/// Everything that writes somewhere, counts, bans or tells.
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

const GLOBALS: &str = "\
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
fn request(instance: &str) -> String {
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

fn rows(path: &Path) -> Vec<String> {
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

const NOBODY: u32 = 65534;

#[test]
fn what_a_task_of_root_makes_belongs_to_the_daemons_user() {
    if !is_root() {
        return;
    }
    for (words, input) in [
        (&["--cron", "hourly"][..], ""),
        (&["limits", "reset", "a@y"], ""),
        (&["limits", "show", "a@y"], ""),
        (&["--explain"], "1"),
    ] {
        let plugins = PLUGINS.replace("module = Proxy\n  host = STUB", "module = Stress");
        let globals = format!("user = {NOBODY}\n{GLOBALS}");
        let world = World::new(&(globals + &host(&plugins)));
        let directory = world.path("");
        chown(&directory, Some(NOBODY), Some(NOBODY)).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        // Root alone may read the configuration.
        fs::set_permissions(world.path("mt.conf"), fs::Permissions::from_mode(0o600)).unwrap();
        let ended = world.run_with(words, &request(input));
        let is_done = ended.code == Some(0) || ended.err.contains("nothing is counted for a@y");
        assert!(is_done, "{ended:?}");
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with("db.sqlite") {
                assert_eq!(entry.metadata().unwrap().uid(), NOBODY, "{words:?}: {name}");
            }
        }
        // The daemon's user can write.
        let path = world.path("db.sqlite");
        as_user(NOBODY, || rows(&path));
    }
}

#[test]
fn why_a_database_file_cannot_be_read_or_written_is_said() {
    if !is_root() {
        return;
    }
    let denied = "Permission denied";
    // The modes of the directory and the file, which are root's; what an explanation and a daemon say.
    for (directory, file, read, written) in [
        (0o755, 0o600, denied, denied),
        (0o700, 0o666, denied, denied),
        (0o755, 0o644, "", denied),
        (0o755, 0o666, "", "its directory: Permission denied"),
    ] {
        let plugins = "<Plugin pot>\nmodule=Honeypot\nstore=db\nrecipients=trap@x\non_error=continue\n</Plugin>\n";
        let globals = format!("user = {NOBODY}\n{GLOBALS}").replace("@TMP@/", "@TMP@/of-root/");
        let world = World::new(&(globals + &host(plugins)));
        let of_root = world.path("of-root");
        fs::create_dir(&of_root).unwrap();
        fs::write(of_root.join("db.sqlite"), "").unwrap();
        let parts = [
            (of_root.join("db.sqlite"), file),
            (of_root, directory),
            (world.path(""), 0o755),
        ];
        for (path, mode) in parts {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let ended = world.run_with(&["--explain"], &request("1"));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let line = ended
            .out
            .lines()
            .find(|line| line.contains("pot (Honeypot)"));
        let line = line.unwrap_or_default();
        assert!(line.contains(read), "{directory:o} {file:o}: {ended:?}");
        assert_eq!(line.contains("error: "), !read.is_empty(), "{ended:?}");

        let daemon = world.serve(&[]);
        assert_eq!(world.ask(&request("1")).unwrap(), "action=dunno");
        let failed = "plugin pot failed: ";
        assert!(daemon.err.wait_lines(1, failed), "{}", daemon.err.text());
        let line = &daemon.err.lines(failed)[0];
        assert!(line.contains(written), "{directory:o} {file:o}: {line}");
    }
}

#[test]
fn a_user_that_is_not_there_is_said() {
    if !is_root() {
        return;
    }
    let config = format!("user = no-such-user\n{GLOBALS}");
    let world = World::new(&(config + &host("<Plugin a>\nmodule=Action\naction=ok\n</Plugin>\n")));
    let ended = world.run_with(&["--explain"], &request("1"));
    assert_ne!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains("no-such-user"), "{ended:?}");
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
    let ended = world.run_with(&["--explain"], &request("1"));
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
