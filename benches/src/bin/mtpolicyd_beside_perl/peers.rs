//! The servers that both daemons ask: memcached, Redis, and a name server with lists that take their time.

use std::{
    error::Error,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use policy_benches::{endpoint::Endpoint, process::Process};
use policy_testing::{NameServer, port::Port, process::with_resolv_conf};
use tempfile::TempDir;

use crate::case::Need;

/// All of them; they end with it.
pub(crate) struct Peers {
    memcached: Option<Server>,
    redis: Option<Server>,
    /// Who may not change the name servers of a program has none.
    lists: Option<NameServer>,
    _directory: TempDir,
}

struct Server {
    _process: Process,
    port: Port,
}

impl Peers {
    pub(crate) fn start() -> Result<Self, Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        let memcached = Server::start(|port| {
            let mut command = Command::new("memcached");
            command.args(["-l", "127.0.0.1", "-p", port, "-U", "0", "-u", "nobody"]);
            command
        });
        let redis = Server::start(|port| {
            let mut command = Command::new("redis-server");
            command.args(["--port", port, "--bind", "127.0.0.1", "--save", "", "--dir"]);
            command.arg(directory.path());
            command
        });
        let is_root = rustix::process::geteuid().is_root();
        // Programs ask at port 53.
        let address = ([127, 53, 53, 53], 53).into();
        Ok(Self {
            memcached,
            redis,
            lists: is_root.then(|| NameServer::start_at(address, &zone())),
            _directory: directory,
        })
    }

    pub(crate) fn has(&self, need: Need) -> bool {
        match need {
            Need::Nothing => true,
            Need::Memcached => self.memcached.is_some(),
            Need::Redis => self.redis.is_some(),
            Need::Lists => self.lists.is_some(),
        }
    }

    /// Puts ports into a text.
    pub(crate) fn fill(&self, text: &str) -> String {
        let port = |server: &Option<Server>| {
            let number = server.as_ref().map(|server| server.port.number());
            number.unwrap_or_default().to_string()
        };
        text.replace("@MEMCACHED@", &port(&self.memcached))
            .replace("@REDIS@", &port(&self.redis))
    }

    /// A program whose name server is ours.
    pub(crate) fn with_lists(
        &self,
        program: &Path,
        directory: &Path,
    ) -> Result<Command, Box<dyn Error>> {
        let lists = self.lists.as_ref().ok_or("no name server")?;
        let resolv_conf = directory.join("resolv.conf");
        let text = format!("nameserver {}\n", lists.address().ip());
        fs::write(&resolv_conf, text)?;
        Ok(with_resolv_conf(&resolv_conf, program))
    }
}

impl Server {
    fn start(command: impl FnOnce(&str) -> Command) -> Option<Self> {
        let port = Port::any();
        let number = port.number();
        let mut command = command(&number.to_string());
        let mut process = Process::start(command.stdin(Stdio::null())).ok()?;
        let endpoint: Endpoint = format!("inet:127.0.0.1:{number}").parse().ok()?;
        process.wait_for(&endpoint).ok()?;
        Some(Self {
            _process: process,
            port,
        })
    }
}

/// Four lists with the entry that each list has for tests.
fn zone() -> String {
    let list =
        |number| format!("2.0.0.127.l{number}.test A 127.0.0.2\n*.l{number}.test !delay 20ms\n");
    (1..=4).map(list).collect()
}
