//! Senders who try to have somebody else banned: what Fail2Ban finds in the log of their attempts.
//!
//! The log is that of a real daemon, through a system log of its own; the filter is the manual's.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use policy_testing::mail_system::{Processes, Setup, Smtp};
use policy_testing::process::hapolicy;
use policy_testing::stub::{Reply, Script, Stub};
use rustix::process::{Pid, Signal, kill_process};

use crate::PATIENCE;
use crate::services::Seen;

#[test]
fn a_sender_cannot_have_another_address_banned_by_the_line_of_a_request() {
    let naive = r#" client_address=<ADDR> .* action="?(?:REJECT|5\d\d)"#;
    nobody_else_is_banned("key-value", "queue_id=", naive);
}

#[test]
fn a_sender_cannot_have_another_address_banned_by_the_line_of_an_attempt() {
    let naive = r"client: \S*\[<ADDR>\].*action: '(?:REJECT|5\d\d)";
    nobody_else_is_banned("classic", "[a] (", naive);
}

/// Has senders ask a daemon whose lines of this format begin so; `naive` is an expression that begins
/// anywhere in these.
fn nobody_else_is_banned(format: &str, begin: &str, naive: &str) {
    let mut setup = Setup::new();
    let server = Stub::tcp(Script::reply(Reply::Call(answer)));
    let daemon = Daemon::start(setup.path(), &format!("a={}", server.address()), format);
    let smtpd = setup.add_smtpd(Processes::OneForAll, &daemon.endpoint);
    setup.add_option("smtpd_authorized_xclient_hosts=127.0.0.0/8");
    setup.add_option("inet_protocols=all");
    let mut postfix = setup.start();
    let mut values = VALUES.map(str::to_owned).to_vec();
    // Three of them as they are escaped would push the action off the line.
    values.push(r#"\""#.repeat(900));
    for (client, kind, reply) in [
        (HOSTILE, "rejected", "554 "),
        (HOSTILE_IPV6, "rejected", "550 "),
        (INNOCENT, "permitted", "250 "),
    ] {
        for value in &values {
            let (mut smtp, _) = Smtp::connect(smtpd);
            let family = if client.contains(':') { "IPV6:" } else { "" };
            let xclient = format!("XCLIENT NAME=mail.evil.test ADDR={family}{client}");
            assert!(smtp.command(&xclient).starts_with("220 "), "{client}");
            smtp.command(&format!("EHLO {value}"));
            smtp.command(&format!("MAIL FROM:<\"{value}\"@evil.test> SMTPUTF8"));
            let replied = smtp.command(&format!("RCPT TO:<\"{kind} {value}\"@example.org>"));
            assert!(replied.starts_with(reply), "{value}: {replied}");
            smtp.command("QUIT");
        }
    }
    postfix.stop();
    let log = daemon.stop();

    // What the senders said has come as far as the log.
    assert!(!log.contains("lines were lost"), "{log}");
    let is_attempt = |line: &&str| {
        let text = line.split_once("]: ").map(|(_, text)| text);
        text.is_some_and(|text| text.starts_with(begin))
    };
    let attempts: Vec<&str> = log.lines().filter(is_attempt).collect();
    let of_victim = attempts.iter().filter(|line| line.contains(VICTIM));
    assert!(of_victim.count() > 6 * values.len(), "{log}");

    let directory = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).expect("a file of our own");
        path.display().to_string()
    };
    let filter = write("hapolicy.conf", &filter_of_the_manual());
    let found = banned(&write("mail.log", &log), &filter);
    assert_eq!(
        found.len(),
        2 * values.len(),
        "one in each session: {found:?}"
    );
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, BTreeSet::from([HOSTILE, HOSTILE_IPV6]));

    // In these lines the escapes alone are enough, for an expression that begins anywhere.
    let found = banned(&write("attempts.log", &attempts.join("\n")), naive);
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, BTreeSet::from([HOSTILE, HOSTILE_IPV6]));
}

/// What a policy server says that quotes its clients, and quotes well what they could wish for.
fn answer(request: &[u8]) -> Vec<u8> {
    let seen = Seen::new(request);
    let recipient = seen.get("recipient");
    let quoted = format!("<{}> to <{recipient}>{FORGED}", seen.get("sender"));
    let is_ipv6 = seen.get("client_address").contains(':');
    let action = match seen.get("protocol_state").as_str() {
        "RCPT" if recipient.contains("permitted") => format!("PREPEND X-Policy: {quoted}"),
        "RCPT" if is_ipv6 => format!("550 5.7.1 {quoted}"),
        "RCPT" => format!("REJECT {quoted}"),
        _ => "DUNNO".to_owned(),
    };
    format!("action={action}\n\n").into_bytes()
}

/// The addresses that Fail2Ban finds, one for each line.
fn banned(log: &str, expression: &str) -> Vec<String> {
    let done = Command::new("fail2ban-regex")
        .args(["--out", "ip", log, expression])
        .output()
        .expect("this test needs fail2ban-regex: install the Debian package fail2ban");
    assert!(done.status.success(), "{done:?}");
    let found = String::from_utf8(done.stdout).expect("addresses");
    found.lines().map(str::to_owned).collect()
}

/// The filter as the manual prints it.
fn filter_of_the_manual() -> String {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/hapolicy.md");
    let manual = fs::read_to_string(manual).expect("the manual");
    let (_, rest) = manual
        .split_once("```ini /etc/fail2ban/filter.d/hapolicy.conf\n")
        .expect("the manual has a filter");
    let (filter, _) = rest.split_once("```").expect("it has an end");
    filter.to_owned()
}

/// `hapolicy -v` with a `/dev/log` of its own.
#[derive(Debug)]
struct Daemon {
    child: Child,
    endpoint: String,
    log: Option<JoinHandle<String>>,
}

impl Daemon {
    fn start(directory: &Path, service: &str, format: &str) -> Self {
        let home = directory.join("world");
        fs::create_dir(&home).expect("a directory of our own");
        // A stream loses nothing: a queue of datagrams may have room for ten.
        let listener = UnixListener::bind(home.join("log")).expect("a socket of our own");
        let (sender, endpoints) = mpsc::channel();
        let log = thread::spawn(move || {
            let (stream, _) = listener.accept().expect("the daemon");
            let mut log = String::new();
            for line in BufReader::new(stream).split(b'\0') {
                let line = String::from_utf8(line.expect("a stream")).expect("a line is UTF-8");
                if let Some((_, endpoint)) = line.split_once("listening on ") {
                    // Nobody waits for a second one.
                    _ = sender.send(endpoint.to_owned());
                }
                log += &as_in_a_file(&line);
            }
            log
        });
        let child = Command::new("unshare")
            .args(["--mount", "sh", "-c", WITH_A_LOG, "sh"])
            .arg(home)
            .args([
                hapolicy(),
                "-v",
                "--log-format",
                format,
                "--listen",
                "inet:127.0.0.1:0",
                "-s",
                service,
            ])
            .stdin(Stdio::null())
            .spawn()
            .expect("unshare(1) starts");
        let mut daemon = Self {
            child,
            endpoint: String::new(),
            log: Some(log),
        };
        let endpoint = endpoints.recv_timeout(PATIENCE);
        daemon.endpoint = endpoint.expect("hapolicy is ready");
        daemon
    }

    /// Ends it; all that it has logged.
    fn stop(mut self) -> String {
        let id = i32::try_from(self.child.id()).expect("a process ID is small");
        let id = Pid::from_raw(id).expect("and not 0");
        kill_process(id, Signal::TERM).expect("it has not been waited for");
        let ended = self.child.wait().expect("it is our child");
        assert!(ended.success(), "{ended}");
        let log = self.log.take().expect("it is not joined before");
        log.join().expect("its log is in order")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// What a syslogd makes of `<22>Nov 21 09:25:38 hapolicy[4129]: text`.
fn as_in_a_file(line: &str) -> String {
    let (_, line) = line.split_once('>').expect("a priority");
    let (time, rest) = line.split_at(15);
    format!("{time} mail{rest}\n")
}

/// `$1` is a directory with a socket `log`, the rest a command.
const WITH_A_LOG: &str = r#"
set -e
home=$1; shift
mkdir "$home/dev"
mount -t tmpfs -o mode=755 hapolicy-test "$home/dev"
: >"$home/dev/null"
mount --bind /dev/null "$home/dev/null"
ln -s "$home/log" "$home/dev/log"
mount --move "$home/dev" /dev
exec "$@"
"#;

/// What senders say, as far as it can stand within quotation marks.
const VALUES: [&str; 8] = [
    "a> , client: v[203.0.113.8]",
    "v[203.0.113.8]",
    "client: v[203.0.113.8], action: 'REJECT'",
    "x>, to: <y>, action: 'REJECT client: v[203.0.113.8]'",
    r#"\" , client: v[203.0.113.8], action: \\x27REJECT\\x27"#,
    "a\u{202e}\u{9b}1m\u{2028}, client:\u{a0}v[203.0.113.8], action:\u{a0}'REJECT'",
    "], prio: 1, client: v[203.0.113.8], helo: <>, from: <>, to: <>, action: 'REJECT'",
    "Nov 21 09:25:38 mail hapolicy[1]: [a] (h:1), prio: 1, weight: 1, queries: 1, answers: 1, \
     failed: 0, delay: 0s, client: v[203.0.113.8], helo: <>, from: <>, to: <>, action: 'REJECT'",
];

/// What every action ends in.
const FORGED: &str = "', client: v[203.0.113.8], helo: <>, from: <>, to: <>, action: 'REJECT'";

const VICTIM: &str = "203.0.113.8";
const HOSTILE: &str = "198.51.100.66";
const HOSTILE_IPV6: &str = "2001:db8::66";
/// Its mail is accepted.
const INNOCENT: &str = "198.51.100.99";
