//! A policyd-weight with a file, a port and a name server of its own.

use std::{
    fs,
    io::Write,
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use policy_testing::{NameServer, port::Port, within};
use rustix::io::{read, retry_on_intr};
use tempfile::TempDir;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_policyd-weight");

/// A client that belongs to its domain, one that a list has, and names that never have an answer.
pub const ZONE: &str = "acme.test MX 10 mail.acme.test\nmail.acme.test A 100.64.2.10\n\
    2.0.0.127.bl.test A 127.0.0.2\n100.70.1.1@bl.test A 127.0.0.2\nslow.test !silent\n*.slow.test !silent\n\
    100.70.9.9@bl.test !silent\n";

/// Bounds a failure; nothing here takes as long.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct World {
    pub directory: TempDir,
    pub dns: NameServer,
    port: Port,
}

impl World {
    pub fn new(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let world = Self {
            directory,
            dns: NameServer::start(ZONE),
            port: Port::any(),
        };
        world.configure(more);
        world
    }

    /// Writes the file, with more options.
    pub fn configure(&self, more: &str) {
        let (directory, port, server) = (
            self.directory.path().display(),
            self.port(),
            self.dns.address(),
        );
        let text = format!(
            "$LOCKPATH = '{directory}/lock/'; $SPATH = $LOCKPATH.'polw.sock'; $PIDFILE = '{directory}/pid';\n\
             $TCP_PORT = {port}; $NS = '{server}'; $USER = 'nobody'; $GROUP = 'nogroup'; $REQUEST_TIMEOUT = '2s';\n\
             @dnsbl_score = ('bl.test', 4.35, -1.5, 'BL'); @rhsbl_score = ();\n{more}\n"
        );
        fs::write(self.file(), text).unwrap();
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn file(&self) -> PathBuf {
        self.path("policyd-weight.conf")
    }

    /// Gives a path to the daemon's user.
    pub fn give(&self, name: &str) {
        let mut command = Command::new("chown");
        let given = command.arg("nobody:nogroup").arg(self.path(name)).status();
        assert!(given.unwrap().success());
    }

    /// The number in the pid file.
    pub fn pid(&self) -> String {
        fs::read_to_string(self.path("pid")).unwrap()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .arg("-f")
            .arg(self.file())
            .args(words)
            .stdin(Stdio::null())
            .current_dir("/");
        command
    }

    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// The entries that `-s` prints.
    pub fn cached(&self, words: &[&str]) -> Vec<String> {
        let output = self.run(&[words, &["-s"]].concat());
        assert!(output.status.success(), "{output:?}");
        let printed = text(&output.stdout);
        let entries = printed.lines().filter(|line| !line.starts_with("*** "));
        entries.map(str::to_owned).collect()
    }

    /// Runs it to its end with something on standard input.
    pub fn feed(&self, words: &[&str], input: &str) -> Output {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(input.as_bytes()).unwrap();
        drop(pipe);
        child.wait_with_output().unwrap()
    }

    /// A daemon in the foreground, ended when it is dropped.
    pub fn start(&self) -> Running {
        let child = self
            .command(&["-D", "start"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let running = Running(child);
        self.connect();
        running
    }

    /// A connection; the daemon may still be starting.
    pub fn connect(&self) -> TcpStream {
        let mut found = None;
        let connected = within(PATIENCE, || {
            found = TcpStream::connect(("127.0.0.1", self.port())).ok();
            found.is_some()
        });
        assert!(connected, "no daemon listens");
        let stream = found.unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub fn is_listening(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port())).is_ok()
    }

    pub fn ask(&self, request: &str) -> String {
        ask(&mut self.connect(), request)
    }

    /// Waits until a file with another text for accepted clients has been read.
    pub fn wait_until_known(&self) {
        self.wait_until_answer("known client", good);
    }

    /// Asks about one mail after the other, until an answer has a text.
    pub fn wait_until_answer(&self, text: &str, request: impl Fn(&str) -> String) {
        let (mut number, mut last) = (0, String::new());
        let came = within(PATIENCE, || {
            number += 1;
            last = self.ask(&request(&format!("w{number}")));
            last.contains(text)
        });
        assert!(came, "no answer with '{text}': {last}");
    }
}

pub fn ask(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = vec![];
    let mut buffer = [0; 4096];
    while !answer.ends_with(b"\n\n") {
        // A read that has a limit is interrupted where the test is stopped and goes on (signal(7)).
        let length = retry_on_intr(|| read(&*stream, &mut buffer)).unwrap();
        assert!(length > 0, "no answer");
        answer.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(answer).unwrap().trim_end().to_owned()
}

#[derive(Debug)]
pub struct Running(pub Child);

impl Running {
    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = signal("-TERM", self.0.id());
        let _ = self.0.wait();
    }
}

/// Whether a process got a signal.
pub fn signal(name: &str, pid: impl ToString) -> bool {
    let status = Command::new("kill").args([name, &pid.to_string()]).status();
    status.unwrap().success()
}

pub fn request(client: &str, helo: &str, sender: &str, instance: &str) -> String {
    format!(
        "request=smtpd_access_policy\nclient_address={client}\nclient_name=unknown\nhelo_name={helo}\nsender={sender}\n\
         recipient=dave@rcpt.test\ninstance={instance}\n\n"
    )
}

/// A mail of the client that belongs to its domain.
pub fn good(instance: &str) -> String {
    request("100.64.2.10", "mail.acme.test", "carol@acme.test", instance)
}

/// A mail of the client that a list has.
pub fn bad(instance: &str) -> String {
    request("100.70.1.1", "mail.acme.test", "carol@acme.test", instance)
}

pub fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// Whether a file has some bytes in it.
pub fn has(path: &Path, text: &str) -> bool {
    let bytes = fs::read(path).unwrap_or_default();
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

pub const GOOD: &str =
    "action=PREPEND X-policyd-weight:  NOT_IN_BL=-1.5 CL_IP_EQ_FROM_MX=-3.1; rate: -4.6";
