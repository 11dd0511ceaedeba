//! A policy server in a process of its own, to be stopped and killed.

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::eventually;

/// `policy-client serve`, which answers each request with the same action. It ends when this is
/// dropped.
#[derive(Debug)]
pub struct Server {
    policy_client: PathBuf,
    action: String,
    far: bool,
    address: String,
    child: Child,
}

impl Server {
    /// At a port of the system's choice.
    pub fn start(policy_client: &Path, action: &str) -> Self {
        let started = Self::run(policy_client, "127.0.0.1:0", action, false);
        started.expect("a port is free")
    }

    /// At an address in the far network of `world.sh`.
    pub fn start_far(policy_client: &Path, address: &str, action: &str) -> Self {
        let started = Self::run(policy_client, address, action, true);
        started.expect("nobody else is there")
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
        let Self {
            policy_client,
            action,
            far,
            address,
            ..
        } = self;
        // A client somewhere may have the port for a moment.
        let mut started = None;
        eventually(|| {
            started = Self::run(policy_client, address, action, *far);
            started.is_some()
        });
        *self = started.expect("its port is free");
    }

    /// `None` if it ends at once, as it does where its address is in use.
    fn run(policy_client: &Path, address: &str, action: &str, far: bool) -> Option<Self> {
        let mut command = match far {
            false => Command::new(policy_client),
            true => {
                let holder = env::var(FAR).expect("started by world.sh");
                let mut command = Command::new("nsenter");
                let network = format!("--net=/proc/{holder}/ns/net");
                command.arg(network).arg(policy_client);
                command
            }
        };
        command.args(["serve", &format!("inet:{address}"), "--action", action]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut server = Self {
            policy_client: policy_client.to_owned(),
            action: action.to_owned(),
            far,
            address: String::new(),
            child: child.expect("policy-client starts"),
        };
        let mut line = String::new();
        let out = server.child.stdout.take().expect("it is piped");
        let read = BufReader::new(out).read_line(&mut line);
        read.expect("it says where it listens");
        server.address = line.trim().strip_prefix("listening on inet:")?.to_owned();
        Some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error says that it has ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The process whose network is the far one.
const FAR: &str = "HAPOLICY_TEST_FAR";
