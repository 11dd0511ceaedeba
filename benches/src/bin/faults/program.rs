//! The programs that are compared, each in front of two services.

use std::{
    error::Error,
    fs, io,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use policy_benches::{
    endpoint::Endpoint,
    process::{Errors, Process},
};
use policy_client::{Connection, Failure};

use crate::{lock::lock, syslog::Syslog};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Program {
    Daemon,
    DropIn,
    Perl,
    Haproxy,
}

/// Where a program runs, and with which services.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// With the programs in it; anybody may enter it.
    pub(crate) home: &'a Path,
    /// Its own among those that run at a time.
    pub(crate) number: u8,
    pub(crate) syslog: &'a Syslog,
    pub(crate) first: &'a str,
    pub(crate) second: &'a str,
    /// Whether both services have their share; else the second one is for when the first fails.
    pub(crate) shared: bool,
    /// How many descriptors the program may have.
    pub(crate) descriptors: Option<u32>,
}

/// A program at work.
pub(crate) struct Running<'a> {
    program: Program,
    setting: Setting<'a>,
    /// What it has written to its standard output.
    said: Arc<Mutex<Vec<String>>>,
    /// Under spawn(8) there is one for each connection instead.
    _daemon: Option<Process>,
    pids: Mutex<Vec<u32>>,
}

/// A connection to it.
pub(crate) struct Open {
    pub(crate) connection: Connection,
    /// The process at its other end, where it has one of its own, which ends with it.
    _process: Option<Process>,
}

impl Program {
    pub(crate) const ALL: [Self; 4] = [Self::Daemon, Self::DropIn, Self::Perl, Self::Haproxy];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Daemon => "hapolicy --listen",
            Self::DropIn => "hapolicy under spawn(8)",
            Self::Perl => "Perl hapolicy",
            Self::Haproxy => "HAProxy",
        }
    }

    /// Whether a process serves many connections.
    pub(crate) const fn is_daemon(self) -> bool {
        matches!(self, Self::Daemon | Self::Haproxy)
    }

    pub(crate) fn start(self, setting: Setting<'_>) -> Result<Running<'_>, Box<dyn Error>> {
        let mut running = Running {
            program: self,
            setting,
            said: Arc::default(),
            _daemon: None,
            pids: Mutex::default(),
        };
        let mut command = match self {
            Self::DropIn | Self::Perl => return Ok(running),
            Self::Daemon => {
                let mut command = running.hapolicy(&setting.home.join("hapolicy"));
                let listen = setting.listen().to_string();
                command.args(["-L", "--user", "nobody", "--listen", &listen]);
                command
            }
            Self::Haproxy => {
                let file = setting.home.join(format!("{}.cfg", setting.number));
                fs::write(&file, setting.haproxy())?;
                let mut command = running.limited(Path::new("/usr/sbin/haproxy"));
                command.arg("-db").arg("-f").arg(file);
                command
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = Process::spawn(&mut command)?;
        let out = process.stdout().ok_or("it is piped")?;
        let said = Arc::clone(&running.said);
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                lock(&said).push(line);
            }
        });
        process.wait_for(&setting.listen())?;
        running._daemon = Some(process);
        if self == Self::Haproxy {
            // It is to have found its servers well.
            thread::sleep(FIRST_CHECKS);
        }
        Ok(running)
    }
}

impl Running<'_> {
    /// A new connection; under spawn(8) this is a new process.
    pub(crate) async fn connect(&self, within: Duration) -> Result<Open, Failure> {
        if self.program.is_daemon() {
            let connection = Connection::open(&self.setting.listen().policy(), within).await?;
            return Ok(Open {
                connection,
                _process: None,
            });
        }
        self.spawn().map_err(Failure::Connect)
    }

    fn spawn(&self) -> io::Result<Open> {
        let mut command = match self.program {
            Program::Perl => self.hapolicy(Path::new("/usr/sbin/hapolicy")),
            _ => self.hapolicy(&self.setting.home.join("hapolicy")),
        };
        let (near, process) = Process::on_pair(command.uid(NOBODY).gid(NOBODY), Errors::ToClient)?;
        lock(&self.pids).push(process.id());
        Ok(Open {
            connection: Connection::over(near)?,
            _process: Some(process),
        })
    }

    /// All that it has said in its log.
    pub(crate) fn log(&self) -> Vec<String> {
        if self.program.is_daemon() {
            lock(&self.said).clone()
        } else {
            self.setting.syslog.lines(&lock(&self.pids))
        }
    }

    fn hapolicy(&self, program: &Path) -> Command {
        let Setting {
            first,
            second,
            shared,
            ..
        } = self.setting;
        let behind = if shared { 1 } else { 2 };
        let mut command = self.limited(program);
        command.args(["-s", &format!("first={first}:1:1:{TIMEOUT}")]);
        command.args(["-s", &format!("second={second}:{behind}:1:{TIMEOUT}")]);
        command.args(["-d", "default"]);
        command
    }

    fn limited(&self, program: &Path) -> Command {
        match self.setting.descriptors {
            None => Command::new(program),
            Some(most) => {
                let mut command = Command::new("prlimit");
                command.arg(format!("--nofile={most}:{most}")).arg(program);
                command
            }
        }
    }
}

impl Setting<'_> {
    /// Ports below those that the system gives away, in a network that is ours.
    fn listen(&self) -> Endpoint {
        Endpoint::Tcp(([127, 0, 0, 1], self.port()).into())
    }

    fn port(&self) -> u16 {
        20_000 + u16::from(self.number)
    }

    fn haproxy(&self) -> String {
        let address = |address: &str| address.replace("unix:", "unix@");
        let balance = if self.shared { "roundrobin" } else { "first" };
        HAPROXY
            .replace("{port}", &self.port().to_string())
            .replace("{balance}", balance)
            .replace("{first}", &address(self.first))
            .replace("{second}", &address(self.second))
    }
}

/// HAProxy's configuration.
pub(crate) const HAPROXY: &str = include_str!("haproxy.cfg");
/// Of each service, in seconds; HAProxy's are the same.
const TIMEOUT: u32 = 3;
/// Debian's `nobody` and `nogroup`.
const NOBODY: u32 = 65_534;
/// Its checks come once a second.
const FIRST_CHECKS: Duration = Duration::from_millis(1500);
