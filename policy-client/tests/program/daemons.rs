//! Our own policy servers as peers of the client, and Debian's. Cargo builds our programs with the workspace's tests.

use std::{fs, path::Path, process::Command};

use policy_testing::{
    port::Port,
    process::{self, Process, Signal},
};
use tempfile::TempDir;

/// A policy server that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: String,
    process: Process,
    _port: Port,
    _directory: TempDir,
}

/// mtpolicyd with these plugins in its only chain.
pub(crate) fn mtpolicyd(plugins: &str) -> Server {
    start_mtpolicyd(process::mtpolicyd(), plugins)
}

/// The same of the Perl program of Debian's package, if that is installed.
pub(crate) fn original_mtpolicyd(plugins: &str) -> Option<Server> {
    let program = "/usr/bin/mtpolicyd";
    Path::new(program)
        .exists()
        .then(|| start_mtpolicyd(program, plugins))
}

fn start_mtpolicyd(program: &str, plugins: &str) -> Server {
    let (directory, port) = (tempfile::tempdir().unwrap(), Port::any());
    let number = port.number();
    let config =
        format!("port = {number}\n<VirtualHost {number}>\nname = test\n{plugins}</VirtualHost>\n");
    let file = directory.path().join("mtpolicyd.conf");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(program);
    command.arg("-f").arg("-c").arg(&file);
    Server::start(command, port, directory)
}

/// policyd-weight with nobody to ask DNS, and no lists.
pub(crate) fn policyd_weight() -> Server {
    let (directory, port) = (tempfile::tempdir().unwrap(), Port::any());
    let place = directory.path().display();
    // For a debugged daemon the next port counts.
    let before = port.number() - 1;
    let config = format!(
        "$LOCKPATH = '{place}/lock/'; $SPATH = ''; $PIDFILE = '{place}/pid'; $TCP_PORT = {before};\n\
         $NS = '127.0.0.1:1'; $REQUEST_TIMEOUT = '1s'; @dnsbl_score = (); @rhsbl_score = ();\n"
    );
    let file = directory.path().join("policyd-weight.conf");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(process::policyd_weight());
    command.arg("-d").arg("-f").arg(&file).arg("start");
    Server::start(command, port, directory)
}

impl Server {
    fn start(mut command: Command, port: Port, directory: TempDir) -> Self {
        let process = Process::of(command.stdin(std::process::Stdio::null()));
        let address = format!("127.0.0.1:{}", port.number());
        let listens = || process::Client::try_connect(&address).is_ok();
        // Perl needs some seconds on a busy machine.
        let is_ready = (0..6).any(|_| policy_testing::eventually(&listens));
        let said = format!("{}{}", process.out.text(), process.err.text());
        assert!(is_ready, "{said}");
        Self {
            address,
            process,
            _port: port,
            _directory: directory,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The Perl program has children, which end with it only if it is asked to end.
        self.process.signal(Signal::TERM);
        _ = policy_testing::eventually(|| !self.process.is_running());
    }
}
