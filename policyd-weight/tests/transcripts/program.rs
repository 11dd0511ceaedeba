//! A policyd-weight as a child: ours, or the Perl program.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use policy_testing::within;
use tempfile::TempDir;

/// Which program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Ours,
    Perl,
}

pub const PERL: &str = "/usr/sbin/policyd-weight";

/// A daemon in the foreground.
#[derive(Debug)]
pub struct Program {
    pub child: Child,
    kind: Kind,
    pub port: u16,
    directory: TempDir,
}

impl Program {
    /// Starts it with a file; `number` makes its port.
    pub fn start(kind: Kind, number: u16, name: &str, server: &str, config: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
        let file = directory.path().join("policyd-weight.conf");
        // A file with a fault is ignored as a whole: the defaults hold.
        let has_fault = config.contains("= ;");
        let port = if has_fault { 12_525 } else { 20_000 + number };
        fs::write(&file, head(directory.path(), port, name, server) + config).expect("a file");
        let mut command = match kind {
            Kind::Ours => Command::new(env!("CARGO_BIN_EXE_policyd-weight")),
            Kind::Perl => Command::new(PERL),
        };
        if kind == Kind::Ours {
            command.arg("--compat");
        }
        command
            .arg("-D")
            .arg("-f")
            .arg(&file)
            .arg("start")
            .current_dir("/");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        let child = command.spawn().expect("the program starts");
        let program = Self {
            child,
            kind,
            port,
            directory,
        };
        program.connect();
        // The Perl program's cache starts apart, and what it is told before is lost.
        let has_cache = !has_fault && !config.contains("$CACHESIZE = 0; $POSCACHESIZE = 0;");
        if kind == Kind::Perl && has_cache {
            let cache = program.cache();
            within(Duration::from_secs(10), || {
                UnixStream::connect(&cache).is_ok()
            });
        }
        program
    }

    /// Where the Perl program's cache listens.
    fn cache(&self) -> PathBuf {
        self.directory.path().join("lock/polw.sock")
    }

    /// A connection; the program may still be starting.
    pub fn connect(&self) -> Connection {
        let mut last = None;
        within(Duration::from_secs(30), || {
            last = Some(TcpStream::connect(("127.0.0.1", self.port)));
            matches!(last, Some(Ok(_)))
        });
        let stream = last.expect("a try").expect("no connection");
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a time");
        Connection { stream }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The Perl program's cache is a session of its own: it ends when it is asked to.
        if self.kind == Kind::Perl {
            if let Ok(mut cache) = UnixStream::connect(self.cache()) {
                let _ = cache.write_all(b"5 kill\n");
            }
            let children = format!("/proc/{0}/task/{0}/children", self.child.id());
            for child in fs::read_to_string(children)
                .unwrap_or_default()
                .split_whitespace()
            {
                let _ = Command::new("kill").arg(child).status();
            }
        }
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        within(Duration::from_secs(5), || {
            !matches!(self.child.try_wait(), Ok(None))
        });
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What each case sets for itself. The programs wait for the name server and for the cache as long as a machine may stand
/// still: after the defaults' 2 s the Perl program goes on without an answer that it has lost, to another score.
fn head(directory: &Path, port: u16, name: &str, server: &str) -> String {
    let directory = directory.display();
    format!(
        "$LOCKPATH = '{directory}/lock/'; $SPATH = $LOCKPATH.'polw.sock'; $PIDFILE = '{directory}/pid';\n\
         $TCP_PORT = {port}; $NS = '{server}'; $syslog_ident = '{name}';\n\
         $DNS_RETRY_IVAL = 30; $IPC_TIMEOUT = 30;\n"
    )
}

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// The answer to a request; none if the connection is closed.
    pub fn ask(&mut self, request: &str) -> Option<String> {
        let bytes: Vec<u8> = request
            .chars()
            .map(|c| u8::try_from(u32::from(c)).expect("a byte"))
            .collect();
        if self.stream.write_all(&bytes).is_err() {
            return None;
        }
        let mut answer = vec![];
        let mut buffer = [0; 4096];
        while !answer.ends_with(b"\n\n") {
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(length) => answer.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("no answer: {error}"),
            }
        }
        let text: String = answer.iter().map(|&byte| char::from(byte)).collect();
        Some(text.trim_end_matches('\n').to_owned())
    }

    pub fn close(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
