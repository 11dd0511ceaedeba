//! A server as a child process: it is killed, stopped, and started again as a test wants it.

use std::{
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tempfile::TempDir;

/// A server and the files that it has.
#[derive(Debug)]
pub struct Server {
    address: String,
    command: Vec<String>,
    /// A program that succeeds once the server serves: one that listens may do so later.
    ready: Vec<String>,
    child: Option<Child>,
    directory: TempDir,
}

impl Server {
    /// Starts a server that listens at an address, and waits until it does.
    pub fn start(address: &str, command: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), address, command)
    }

    /// Starts a server with files that were made before.
    pub fn start_in(directory: TempDir, address: &str, command: &[&str]) -> Self {
        Self::start_until(&[], directory, address, command)
    }

    /// Starts a server with such files, and waits until this program succeeds.
    pub fn start_until(
        ready: &[&str],
        directory: TempDir,
        address: &str,
        command: &[&str],
    ) -> Self {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let mut server = Self {
            address: address.to_owned(),
            command: owned(command),
            ready: owned(ready),
            child: None,
            directory,
        };
        server.start_again();
        server
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn port(&self) -> u16 {
        self.address.rsplit(':').next().unwrap().parse().unwrap()
    }

    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Starts it after `kill`.
    // Other crates that include this file allow the method anyway.
    #[allow(
        clippy::disallowed_methods,
        reason = "a process is waited for, on a thread of the test"
    )]
    pub fn start_again(&mut self) {
        self.spawn();
        let mut more_starts = 20;
        for _ in 0..4000 {
            if TcpStream::connect(&self.address).is_ok() && self.is_ready() {
                return;
            }
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                // PostgreSQL refuses to start while processes of one that was killed have not ended yet.
                assert!(more_starts > 0, "{:?} has ended: {status}", self.command);
                more_starts -= 1;
                thread::sleep(Duration::from_millis(100));
                self.spawn();
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("{:?} does not listen at {}", self.command, self.address);
    }

    fn spawn(&mut self) {
        let (program, arguments) = self.command.split_first().unwrap();
        // It ends with the process that started it.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", program])
            .args(arguments)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("{program}: {error}")));
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "a process is waited for, on a thread of the test"
    )]
    fn is_ready(&self) -> bool {
        let Some((program, arguments)) = self.ready.split_first() else {
            return true;
        };
        let output = Command::new(program).args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    }

    /// Ends it at once, and closes its connections.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }

    /// Has it hang: its connections stay, and nothing comes once this returns.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        if let Some(child) = &self.child {
            let child = WaitId::Pid(Pid::from_child(child));
            // The last of its threads has stopped then.
            waitid(child, WaitIdOptions::STOPPED).unwrap();
        }
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Signals all of its processes: PostgreSQL's have groups of their own.
    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            let child = Pid::from_child(child);
            for process in [descendants(child), vec![child]].concat() {
                // It may have ended.
                let _ = kill_process(process, signal);
            }
        }
    }
}

/// The processes that a process has started, and those that they have.
fn descendants(of: Pid) -> Vec<Pid> {
    let path = format!("/proc/{0}/task/{0}/children", of.as_raw_nonzero());
    let children = std::fs::read_to_string(path).unwrap_or_default();
    let children = children
        .split_whitespace()
        .filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
    children
        .flat_map(|child| [descendants(child), vec![child]].concat())
        .collect()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program to its end.
pub fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}
