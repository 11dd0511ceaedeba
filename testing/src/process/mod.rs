//! The real programs as processes: started, fed, listened to, and ended with their test.

mod client;
pub use client::{Client, request};

mod daemon;
pub use daemon::{Daemon, services};

mod gate;
pub use gate::Gate;

mod manager;
pub use manager::Manager;

mod output;
pub use output::{Output, Said, about, lines, warnings};

mod postfix;
pub use postfix::Postfix;

mod programs;
pub use programs::{
    copy_hapolicy, copy_program, hapolicy, mtpolicyd, policy_client, policyd_weight, write_program,
};

mod resolv_conf;
pub use resolv_conf::with_resolv_conf;

mod silent_name_server;
pub use silent_name_server::SilentNameServer;

mod user;
pub use user::{as_user, is_root};

use std::{
    ffi::OsStr,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

pub use rustix::process::Signal;

/// Bounds a failure; nothing here takes as long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A program that runs at the latest until this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pub out: Output,
    pub err: Output,
}

/// How a program ended, and what it said.
#[derive(Debug, Eq, PartialEq)]
pub struct Ended {
    /// `None` after a signal.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Process {
    /// Starts a program whose standard input is empty.
    pub fn start(program: &str, args: &[impl AsRef<OsStr>]) -> Self {
        Self::of(Command::new(program).args(args).stdin(Stdio::null()))
    }

    /// Starts a command; its standard output and error are read.
    pub fn of(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        Self {
            out: Output::of(child.stdout.take().expect("it is piped")),
            err: Output::of(child.stderr.take().expect("it is piped")),
            child,
        }
    }

    /// Starts a command whose standard input, output and error are as they stand in it.
    pub fn untouched(command: &mut Command) -> Self {
        Self {
            out: Output::of(std::io::empty()),
            err: Output::of(std::io::empty()),
            child: command.spawn().expect("the program starts"),
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).expect("a process ID is small");
        let id = rustix::process::Pid::from_raw(id).expect("and not 0");
        rustix::process::kill_process(id, signal).expect("it has not been waited for");
    }

    /// Ends it with all that it has started, where its command has given it a process group of its own.
    pub fn kill_group(&self) {
        let id = i32::try_from(self.id()).expect("a process ID is small");
        let id = rustix::process::Pid::from_raw(id).expect("and not 0");
        rustix::process::kill_process_group(id, Signal::KILL).expect("it leads its group");
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end; it said {:?} and {:?}",
                self.out.text(),
                self.err.text()
            );
            thread::sleep(Duration::from_millis(1));
        };
        assert!(self.out.wait(|out| out.ended) && self.err.wait(|err| err.ended));
        Ended {
            code: status.code(),
            out: self.out.text(),
            err: self.err.text(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error says that it has ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Runs a program to its end, its standard input empty.
pub fn run(program: &str, args: &[impl AsRef<OsStr>]) -> Ended {
    Process::start(program, args).end()
}
