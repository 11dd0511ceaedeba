//! A database file that another process has for itself while the daemon is asked by many.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use policy_testing::process::{Client, request};

use super::daemon::Daemon;

const CALLERS: usize = 8;

const SQLITE: &str =
    "<Connection db>\nmodule = Sql\ndsn = dbi:SQLite:dbname=@TMP@/db.sqlite\n</Connection>\n";

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
