//! A Postfix of our own: private directories, loopback ports, its own log; ends with the test.

use std::{
    fmt::Write as _,
    fs::{self, Permissions},
    net::{Ipv4Addr, SocketAddrV4},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU16, Ordering},
};

use tempfile::TempDir;

use super::{PATIENCE, needs};
use crate::within;

/// What is to become a [`Postfix`]: its services are known before it starts.
#[derive(Debug)]
pub struct Setup {
    directory: TempDir,
    main: String,
    master: String,
}

/// Which processes of an SMTP server serve its sessions: each keeps a connection of its own to a
/// policy server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Processes {
    OnePerSession,
    OneForAll,
}

impl Setup {
    /// An instance without services.
    pub fn new() -> Self {
        needs::check();
        let directory = tempfile::Builder::new()
            .prefix("postfix-")
            .tempdir()
            .expect("a temporary directory");
        // The users postfix and nobody must get in.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("our own");
        let setup = Self {
            directory,
            main: MAIN_CF.to_owned(),
            master: MASTER_CF.to_owned(),
        };
        setup.make_certificate();
        setup
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Adds an SMTP server that asks this policy endpoint at every stage; returns its address.
    ///
    /// It logs verbosely: only then does Postfix say each connection that it makes, and complain
    /// of the first failure on one already, not of the second in a row only.
    pub fn add_smtpd(&mut self, processes: Processes, policy: &str) -> SocketAddrV4 {
        static NEXT_PORT: AtomicU16 = AtomicU16::new(20_001);
        let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddrV4::new(own_address(), port);
        let (at_once, sessions) = match processes {
            Processes::OnePerSession => ("-", 1),
            Processes::OneForAll => ("1", 100),
        };
        writeln!(
            self.master,
            "{address} inet n - n - {at_once} smtpd -v\n  \
             -o max_use={sessions} -o policy=check_policy_service,{policy}"
        )
        .expect("a string takes all");
        address
    }

    /// Sets an option of the server that was added last.
    pub fn add_option(&mut self, option: &str) {
        writeln!(self.master, "  -o {option}").expect("a string takes all");
    }

    /// Has the server that was added last ask at recipients only.
    pub fn ask_at_recipients_only(&mut self) {
        for stage in ["client", "helo", "sender", "data", "end_of_data"] {
            self.add_option(&format!("smtpd_{stage}_restrictions="));
        }
    }

    /// Lets a session with the server that was added last be another client's: see [`Session`](super::Session).
    pub fn allow_xclient(&mut self) {
        self.add_option("smtpd_authorized_xclient_hosts=127.0.0.0/8");
        self.add_option("smtpd_client_connection_count_limit=0");
    }

    /// Adds a line to master.cf.
    pub(super) fn add_service(&mut self, line: &str) {
        // Options belong to the service that was added last.
        self.master.insert_str(0, &format!("{line}\n"));
    }

    /// Puts other lines into main.cf in the place of these.
    pub(super) fn replace_in_main(&mut self, lines: &str, others: &str) {
        self.main = self.main.replace(lines, others);
    }

    /// Adds a policy server that is started for each connection; returns its endpoint.
    pub fn add_spawn(&mut self, name: &str, program: &Path, arguments: &[String]) -> String {
        let arguments: String = arguments.iter().map(|a| format!(" {{{a}}}")).collect();
        writeln!(
            self.master,
            "{name} unix - n n - 0 spawn\n  user=nobody argv={}{arguments}",
            program.display()
        )
        .expect("a string takes all");
        format!("unix:private/{name}")
    }

    pub fn start(self) -> Postfix {
        let main = self
            .main
            .replace("$DIRECTORY", &self.path().display().to_string());
        for directory in ["config", "queue"] {
            let path = self.path().join(directory);
            fs::create_dir(&path).expect("a directory of our own");
            // The same users, whatever the umask here is.
            fs::set_permissions(path, Permissions::from_mode(0o755)).expect("our own");
        }
        fs::write(self.config().join("main.cf"), main).expect("main.cf");
        fs::write(self.config().join("master.cf"), &self.master).expect("master.cf");
        // Before the start, so that a start that fails half way is undone too.
        let mut postfix = Postfix {
            setup: self,
            running: true,
        };
        if let Err(complaint) = postfix.command("start") {
            let log = postfix.log();
            postfix.stop();
            panic!("postfix start: {complaint}\n{log}");
        }
        postfix
    }

    fn config(&self) -> PathBuf {
        self.path().join("config")
    }

    fn make_certificate(&self) {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "2"])
            .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-subj", "/CN=mail.example.org"])
            .arg("-keyout")
            .arg(self.path().join("key.pem"))
            .arg("-out")
            .arg(self.path().join("certificate.pem"))
            .output()
            .expect("openssl starts");
        assert!(made.status.success(), "no certificate: {made:?}");
    }
}

/// A running Postfix, stopped when dropped.
#[derive(Debug)]
pub struct Postfix {
    setup: Setup,
    running: bool,
}

impl Postfix {
    /// Its directory.
    pub fn path(&self) -> &Path {
        self.setup.path()
    }

    /// Waits until nothing is left to deliver, so that stopping cuts nothing short; false if
    /// something is.
    pub fn deliver(&self, messages: usize) -> bool {
        within(PATIENCE, || {
            self.log().matches(": removed").count() >= messages
        })
    }

    /// Ends all its processes; the log is complete then.
    pub fn stop(&mut self) {
        if std::mem::take(&mut self.running) {
            // It fails when nothing runs: a start that failed.
            let _ = self.command("stop");
        }
    }

    /// All that it logged so far.
    pub fn log(&self) -> String {
        let log = fs::read(self.setup.path().join("maillog")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn command(&self, verb: &str) -> Result<(), String> {
        let done = Command::new("postfix")
            .arg("-c")
            .arg(self.setup.config())
            .arg(verb)
            .output()
            .expect("postfix(1) starts");
        if done.status.success() {
            return Ok(());
        }
        Err(format!(
            "{}{}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        ))
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A loopback address that no other process uses: Postfix must be told its ports, it cannot say
/// which ones it got.
fn own_address() -> Ipv4Addr {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | (a & 63), b, c)
}

/// `policy` is set by each SMTP server.
const MAIN_CF: &str = "\
compatibility_level = 3.6
queue_directory = $DIRECTORY/queue
data_directory = $DIRECTORY/data
maillog_file = $DIRECTORY/maillog
maillog_file_prefixes = $DIRECTORY
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = mail.example.org
mydestination =
alias_maps =
relay_domains = example.org
relay_transport = discard:
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_cert_file = $DIRECTORY/certificate.pem
smtpd_tls_key_file = $DIRECTORY/key.pem
smtpd_delay_reject = no
smtpd_client_restrictions = $policy
smtpd_helo_restrictions = $policy
smtpd_sender_restrictions = $policy
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = $policy
smtpd_data_restrictions = $policy
smtpd_end_of_data_restrictions = $policy
policy =
";

const MASTER_CF: &str = "\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
";
