//! A policy server in a process of its own, to be stopped and killed.

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::port::Port;

/// `policy-client serve`, which answers each request with the same action. It ends when this is
/// dropped.
#[derive(Debug)]
pub struct Server {
    command: Command,
    address: String,
    child: Child,
    /// Its port is its own while it is killed, too.
    _port: Option<Port>,
}

impl Server {
    /// At a port of the system's choice.
    pub fn start(policy_client: &Path, action: &str) -> Self {
        let port = Port::any();
        let address = format!("127.0.0.1:{}", port.number());
        let command = Command::new(policy_client);
        Self::of(command, address, action, Some(port))
    }

    /// At an address in the far network of `world.sh`.
    pub fn start_far(policy_client: &Path, address: &str, action: &str) -> Self {
        let holder = env::var(FAR).expect("started by world.sh");
        let mut command = Command::new("nsenter");
        let network = format!("--net=/proc/{holder}/ns/net");
        command.arg(network).arg(policy_client);
        Self::of(command, address.to_owned(), action, None)
    }

    fn of(mut command: Command, address: String, action: &str, port: Option<Port>) -> Self {
        command.args(["serve", &format!("inet:{address}"), "--action", action]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = run(&mut command);
        Self {
            command,
            address,
            child,
            _port: port,
        }
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn signal(&mut self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process ID is small");
        let id = Pid::from_raw(id).expect("and not 0");
        kill_process(id, signal).expect("it has not been waited for");
        if signal == Signal::KILL {
            self.child.wait().expect("it is our child");
        }
    }

    /// Starts it at the same address, once it has been killed.
    pub fn restart(&mut self) {
        self.child = run(&mut self.command);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error says that it has ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Waits until it listens.
fn run(command: &mut Command) -> Child {
    let mut child = command.spawn().expect("policy-client starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("it is piped");
    let read = BufReader::new(out).read_line(&mut line);
    assert!(
        read.is_ok() && line.starts_with("listening on "),
        "{line:?}"
    );
    child
}

/// The process whose network is the far one.
const FAR: &str = "HAPOLICY_TEST_FAR";
