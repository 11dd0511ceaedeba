//! Servers that are killed, hang and come back while the daemon is asked by many: each request is answered, each change is
//! said once, and no answer is another request's.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    process::{Child, ChildStdin, Command, Stdio},
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
    support::{Server, databases, free_port, redis},
};

/// Callers that ask about mails of their own until they are ended. At RCPT the database gives a mail its token, which the
/// session carries to DATA.
struct Load {
    ends: Arc<AtomicBool>,
    right: Arc<AtomicU64>,
    callers: Vec<JoinHandle<()>>,
}

const CALLERS: usize = 8;

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
                    let text = format!("t{caller}-{number}");
                    let token = text.as_str();
                    let at = |state| {
                        [
                            ("protocol_state", state),
                            ("instance", token),
                            ("sender", token),
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

const CHAIN: &str = "\
<Plugin rcpt>
  module = Condition
  key = protocol_state
  match = RCPT
  on_error = continue
  <Plugin token>
    module = SqlUserConfig
    field = sender
    sql_query = QUERY
    on_error = continue
  </Plugin>
</Plugin>
<Plugin answer>
  module = Condition
  key = s:token
  re_match = .
  action = reject empty
  uc_action = token
</Plugin>
<Plugin none>
  module = Action
  action = reject none
</Plugin>";

/// Kills a server, starts it again, stops it and lets it go on, under load.
fn fail(server: &mut Server, name: &str, globals: &str, query: &str) {
    let globals = format!("log_level = 0\n{globals}");
    let daemon = Daemon::start(&globals, &CHAIN.replace("QUERY", query));
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
const SQLITE_QUERY: &str = r#"SELECT '{"token":"reject ' || ? || '"}'"#;

fn sessions(name: &str, module: &str, servers: &str, address: &str) -> String {
    format!(
        "{SQLITE}<Connection {name}>\nmodule = {module}\n{servers} = {address}\n</Connection>\n\
        <SessionCache>\nmodule = {module}\n</SessionCache>\n"
    )
}

#[test]
fn sessions_in_memcached() {
    let port = free_port().to_string();
    let words = [
        "memcached",
        "-l",
        "127.0.0.1",
        "-p",
        &port,
        "-U",
        "0",
        "-u",
        "nobody",
    ];
    let mut server = Server::start(&format!("127.0.0.1:{port}"), &words);
    let globals = sessions("memcached", "Memcached", "servers", server.address());
    fail(&mut server, "memcached", &globals, SQLITE_QUERY);
}

#[test]
fn sessions_in_redis() {
    let mut server = redis::one();
    let globals = sessions("redis", "Redis", "server", server.address());
    fail(&mut server, "redis", &globals, SQLITE_QUERY);
}

#[test]
fn tokens_of_mariadb() {
    let (mut server, dsn) = databases::mariadb();
    let globals = format!(
        "<Connection db>\nmodule = Sql\ndsn = {dsn}\n</Connection>\n<SessionCache>\nmodule = Memory\n</SessionCache>\n"
    );
    fail(
        &mut server,
        "db",
        &globals,
        r#"SELECT CONCAT('{"token":"reject ', ?, '"}')"#,
    );
}

/// Another process that has the whole file for itself.
struct Locker {
    child: Child,
    input: ChildStdin,
}

impl Locker {
    fn lock(path: &std::path::Path) -> Self {
        let mut command = Command::new("sqlite3");
        command
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input
            .write_all(b".timeout 10000\nBEGIN EXCLUSIVE;\nSELECT 'locked';\n")
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "locked\n");
        Self { child, input }
    }

    fn unlock(mut self) {
        self.input.write_all(b"ROLLBACK;\n.quit\n").unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

const COUNTING: &str = "\
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
  threshold = 1000000
  time_pattern = t
  on_error = continue
</Plugin>
<Plugin end>
  module = Action
  action = reject end
</Plugin>";

#[test]
fn a_file_that_another_process_has_locked() {
    let daemon = Daemon::start(SQLITE, COUNTING);
    let mails = Arc::new(AtomicU64::new(0));
    let ask = |count: usize| {
        let endpoint = daemon.endpoint();
        let callers = (0..CALLERS).map(|_| {
            let (endpoint, mails) = (endpoint.clone(), Arc::clone(&mails));
            thread::spawn(move || {
                let mut client = Client::connect(&endpoint);
                client.set_patience(Duration::from_secs(6));
                for _ in 0..count {
                    let instance = mails.fetch_add(1, Relaxed).to_string();
                    let attributes = [
                        ("instance", instance.as_str()),
                        ("sender", "a@x"),
                        ("size", "1"),
                    ];
                    assert_eq!(client.ask(&request(&attributes)), "reject end");
                }
            })
        });
        let callers: Vec<_> = callers.collect();
        callers
            .into_iter()
            .for_each(|caller| caller.join().unwrap());
    };
    let counted = || {
        let mut command = Command::new("sqlite3");
        let query = "SELECT count FROM acct_sender";
        command
            .args(["-cmd", ".timeout 10000"])
            .arg(daemon.path("db.sqlite"))
            .arg(query);
        let output = command.output().unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse::<u64>()
            .unwrap()
    };
    ask(10);
    assert_eq!(counted(), 80);
    let locker = Locker::lock(&daemon.path("db.sqlite"));
    ask(4);
    daemon.wait(1, "connection db is away, and is tried in the background: ");
    locker.unlock();
    daemon.wait(1, "connection db is back");
    let before = counted();
    ask(10);
    assert_eq!(counted(), before + 80);
    assert_eq!(daemon.count("connection db is away"), 1);
    assert_eq!(daemon.count("connection db is back"), 1);
}

#[test]
fn a_database_file_belongs_to_the_user_of_the_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let nobody = 65_534;
    std::os::unix::fs::chown(directory.path(), Some(nobody), Some(nobody)).unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let file = directory.path().join("db.sqlite");
    let globals = format!(
        "user = nobody\ngroup = nogroup\n<Connection db>\nmodule = Sql\ndsn = dbi:SQLite:dbname={}\n</Connection>\n",
        file.display()
    );
    let daemon = Daemon::start(&globals, &COUNTING.replace("on_error = continue\n", ""));
    let answer = daemon.ask(&[("instance", "1"), ("sender", "a@x"), ("size", "1")]);
    assert_eq!(answer, "reject end");
    let found = std::fs::metadata(&file).unwrap();
    assert_eq!((found.uid(), found.gid()), (nobody, nobody));
}
