//! Servers that are killed, hang and come back while the daemon is asked by many: each request is answered, each change is
//! said once, and no answer is another request's.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use policy_testing::{
    eventually,
    process::{Client, request},
};

use super::{
    daemon::Daemon,
    support::{Server, databases, directory, memcached, redis},
};

/// Callers that ask about mails of their own until they are ended. At RCPT the database, or the directory, gives a mail its
/// token, which the session carries to DATA.
struct Load {
    ends: Arc<AtomicBool>,
    right: Arc<AtomicU64>,
    callers: Vec<JoinHandle<()>>,
}

const CALLERS: usize = 8;
/// How many senders each caller has, which take turns.
const SENDERS: u64 = 16;

impl Load {
    fn start(daemon: &Daemon) -> Self {
        let (ends, right) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let caller = |caller: usize| {
            let (ends, right, endpoint) = (ends.clone(), right.clone(), daemon.endpoint());
            thread::spawn(move || {
                let mut client = Client::connect(&endpoint);
                // A session, a question and a session again have a second each.
                client.set_patience(Duration::from_secs(6));
                for number in 0_u64.. {
                    if ends.load(Relaxed) {
                        return;
                    }
                    let mail = format!("{caller}-{number}");
                    let token = token(caller, number % SENDERS);
                    let at = |state| {
                        [
                            ("protocol_state", state),
                            ("instance", mail.as_str()),
                            ("sender", token.as_str()),
                        ]
                    };
                    let answers = [
                        client.ask(&request(&at("RCPT"))),
                        client.ask(&request(&at("DATA"))),
                    ];
                    let own = format!("reject {token}");
                    for answer in &answers {
                        let is_possible = *answer == own || answer == "reject none";
                        assert!(is_possible, "{token}: {answers:?}");
                    }
                    if answers[1] == own {
                        right.fetch_add(1, Relaxed);
                    } else {
                        // The answer comes at once: the machine is left to the others.
                        thread::sleep(Duration::from_millis(5));
                    }
                }
            })
        };
        Self {
            callers: (0..CALLERS).map(caller).collect(),
            ends,
            right,
        }
    }

    /// Waits until so many more mails have got their own token at both states.
    fn wait_right(&self, more: u64) {
        let end = self.right.load(Relaxed) + more;
        let in_time = (0..3).any(|_| eventually(|| self.right.load(Relaxed) >= end));
        assert!(in_time, "no more right answers");
    }

    fn end(self) {
        self.ends.store(true, Relaxed);
        for caller in self.callers {
            caller.join().unwrap();
        }
    }
}

fn token(caller: usize, sender: u64) -> String {
    format!("t{caller}-{sender}")
}

const CHAIN: &str = "\
<Plugin rcpt>
  module = Condition
  key = protocol_state
  match = RCPT
  on_error = continue
  <Plugin token>
    TOKEN
    on_error = continue
  </Plugin>
</Plugin>
<Plugin answer>
  module = Condition
  key = s:description
  re_match = .
  action = reject empty
  uc_action = description
</Plugin>
<Plugin none>
  module = Action
  action = reject none
</Plugin>";

/// Kills a server, starts it again, stops it and lets it go on, under load.
fn fail(server: &mut Server, name: &str, globals: &str, token: &str) {
    let globals = format!("log_level = 0\n{globals}");
    let daemon = Daemon::start(&globals, &CHAIN.replace("TOKEN", token));
    let away = format!("connection {name} is away, and is tried in the background: ");
    let back = format!("connection {name} is back");
    let load = Load::start(&daemon);
    load.wait_right(50);
    server.kill();
    daemon.wait(1, &away);
    server.start_again();
    daemon.wait(1, &back);
    load.wait_right(50);
    server.stop();
    daemon.wait(2, &away);
    server.go_on();
    daemon.wait(2, &back);
    load.wait_right(50);
    load.end();
    assert_eq!((daemon.count(&away), daemon.count(&back)), (2, 2));
}

const SQLITE: &str =
    "<Connection db>\nmodule = Sql\ndsn = dbi:SQLite:dbname=@TMP@/db.sqlite\n</Connection>\n";
const MEMORY: &str = "<SessionCache>\nmodule = Memory\n</SessionCache>\n";

/// The sender's token from a database, by this expression of SQL.
fn sql_token(expression: &str) -> String {
    format!("module = SqlUserConfig\nfield = sender\nsql_query = SELECT {expression}")
}

fn sqlite_token() -> String {
    sql_token(r#"'{"description":"reject ' || ? || '"}'"#)
}

fn sessions(name: &str, module: &str, servers: &str, address: &str) -> String {
    format!(
        "{SQLITE}<Connection {name}>\nmodule = {module}\n{servers} = {address}\n</Connection>\n\
        <SessionCache>\nmodule = {module}\n</SessionCache>\n"
    )
}

#[test]
fn sessions_in_memcached() {
    let mut server = memcached();
    let globals = sessions("memcached", "Memcached", "servers", server.address());
    fail(&mut server, "memcached", &globals, &sqlite_token());
}

#[test]
fn sessions_in_redis() {
    let mut server = redis::one();
    let globals = sessions("redis", "Redis", "server", server.address());
    fail(&mut server, "redis", &globals, &sqlite_token());
}

#[test]
fn tokens_of_mariadb() {
    let (mut server, dsn) = databases::mariadb();
    let token = sql_token(r#"CONCAT('{"description":"reject ', ?, '"}')"#);
    fail(&mut server, "db", &database(&dsn), &token);
}

#[test]
fn tokens_of_postgresql() {
    let (mut server, dsn) = databases::postgres();
    let token = sql_token(r#"'{"description":"reject ' || CAST(? AS text) || '"}'"#);
    fail(&mut server, "db", &database(&dsn), &token);
}

fn database(dsn: &str) -> String {
    format!("<Connection db>\nmodule = Sql\ndsn = {dsn}\n</Connection>\n{MEMORY}")
}

#[test]
fn tokens_of_a_directory() {
    let mut entries = String::new();
    for caller in 0..CALLERS {
        for sender in 0..SENDERS {
            let token = token(caller, sender);
            let entry = format!(
                "dn: cn={token},dc=example\nobjectClass: inetOrgPerson\ncn: {token}\nsn: {token}\nuid: {token}\n\
                 description: reject {token}\n\n"
            );
            entries.write_str(&entry).unwrap();
        }
    }
    let mut server = directory::slapd_with("", &entries);
    let globals = format!(
        "<Connection ldap>\nmodule = Ldap\nhost = 127.0.0.1\nport = {}\nstarttls = 0\n\
         binddn = \"cn=admin,dc=example\"\npassword = {}\n</Connection>\n{MEMORY}",
        server.port(),
        directory::PASSWORD,
    );
    let token = "module = LdapUserConfig\nbasedn = \"dc=example\"\nfilter = (uid=%s)\nfilter_field = sender\n\
        config_fields = description";
    fail(&mut server, "ldap", &globals, token);
}
