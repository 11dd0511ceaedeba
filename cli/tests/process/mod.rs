//! The real programs as processes: started, fed, listened to, and ended with their test.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test that includes this module uses a part of it"
)]

mod client;
pub use client::{Client, request};

mod gate;
pub use gate::Gate;

mod manager;
pub use manager::Manager;

mod postfix;
pub use postfix::Postfix;

use std::{
    ffi::OsStr,
    io::Read,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

pub use rustix::process::Signal;

pub const HAPOLICY: &str = env!("CARGO_BIN_EXE_hapolicy");
pub const POLICY_CLIENT: &str = env!("CARGO_BIN_EXE_policy-client");

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
#[derive(Debug)]
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

/// What a program has said so far, read by a thread.
#[derive(Clone, Debug, Default)]
pub struct Output(Arc<(Mutex<Said>, Condvar)>);

#[derive(Debug, Default)]
pub struct Said {
    pub text: String,
    pub ended: bool,
}

impl Output {
    fn of(mut reader: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        let writer = output.clone();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let count = reader.read(&mut bytes).unwrap_or(0);
                let mut said = writer.lock();
                said.text
                    .push_str(&String::from_utf8_lossy(&bytes[..count]));
                said.ended = count == 0;
                writer.0.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        output
    }

    /// Waits for a condition; whether it came true.
    pub fn wait(&self, condition: impl Fn(&Said) -> bool) -> bool {
        let waiting = |said: &mut Said| !condition(said) && !said.ended;
        let waited = self.0.1.wait_timeout_while(self.lock(), PATIENCE, waiting);
        condition(&waited.expect("no panic under the lock").0)
    }

    /// Waits until so many whole lines contain this.
    pub fn wait_lines(&self, count: usize, part: &str) -> bool {
        self.wait(|said| {
            let whole = said.text.rfind('\n').map_or("", |end| &said.text[..end]);
            whole.lines().filter(|line| line.contains(part)).count() >= count
        })
    }

    pub fn text(&self) -> String {
        self.lock().text.clone()
    }

    /// The lines that contain this.
    pub fn lines(&self, part: &str) -> Vec<String> {
        lines(&self.text(), part)
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.0.lock().expect("no panic under the lock")
    }
}

/// The warnings of a daemon, but for the one that it runs as root, as the tests may.
pub fn warnings(text: &str) -> Vec<String> {
    let mut warnings = lines(text, "[LOG warning]: ");
    warnings.retain(|line| !line.contains("running as root"));
    warnings
}

/// What is said of a service, but for its state at the start and at the end.
pub fn about(text: &str, service: &str) -> Vec<String> {
    let mut lines = lines(text, &format!("'{service}'"));
    lines.retain(|line| !line.contains("]: service '"));
    lines
}

/// The lines of a text that contain this.
pub fn lines(text: &str, part: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.contains(part));
    lines.map(str::to_owned).collect()
}

/// `hapolicy --listen` with its log on standard output.
#[derive(Debug)]
pub struct Daemon {
    pub process: Process,
    /// Where it listens, in the order of its command line.
    pub endpoints: Vec<String>,
}

impl Daemon {
    /// Listens on a port of the system's choice.
    pub fn tcp(args: &[&str]) -> Self {
        Self::start(&["inet:127.0.0.1:0"], args)
    }

    /// Listens there, and waits until it does.
    pub fn start(listen: &[&str], args: &[&str]) -> Self {
        let listen_args = listen.iter().flat_map(|endpoint| ["--listen", endpoint]);
        let all: Vec<&str> = ["-L"]
            .into_iter()
            .chain(listen_args)
            .chain(args.iter().copied())
            .collect();
        let mut command = Command::new(HAPOLICY);
        Self::of(command.args(all).stdin(Stdio::null()), listen.len())
    }

    /// Starts it by a command, and waits until it listens at so many endpoints.
    pub fn of(command: &mut Command, endpoints: usize) -> Self {
        let process = Process::of(command);
        let ready = process.out.wait_lines(endpoints, LISTENING);
        assert!(
            ready,
            "no daemon of {command:?}: {} {}",
            process.out.text(),
            process.err.text()
        );
        let endpoint = |line: &String| line.split(LISTENING).nth(1).map(str::to_owned);
        let endpoints = process.out.lines(LISTENING);
        let endpoints = endpoints.iter().filter_map(endpoint).collect();
        Self { process, endpoints }
    }

    /// Its first endpoint.
    pub fn endpoint(&self) -> &str {
        &self.endpoints[0]
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.endpoint())
    }

    /// Has it end, as it should.
    pub fn stop(self) -> Ended {
        self.process.signal(Signal::TERM);
        self.ended_well()
    }

    /// Waits for its end, which is to be an orderly and silent one.
    pub fn ended_well(self) -> Ended {
        let ended = self.process.end();
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
        ended
    }
}

/// `-s` arguments for services at these addresses, called a, b, ...
pub fn services(addresses: &[String]) -> Vec<String> {
    let names = 'a'..='z';
    let service = |(name, address): (char, &String)| ["-s".to_owned(), format!("{name}={address}")];
    names.zip(addresses).flat_map(service).collect()
}

/// Does this as another user, which root may: on a thread of its own, since the system keeps users by thread.
pub fn as_user<T: Send>(user: u32, work: impl FnOnce() -> T + Send) -> T {
    let user = rustix::thread::Uid::from_raw(user);
    let work = move || {
        let become_user = rustix::thread::set_thread_groups(&[])
            .and_then(|()| rustix::thread::set_thread_res_uid(user, user, user));
        become_user.expect("this runs as root");
        work()
    };
    thread::scope(|scope| scope.spawn(work).join().expect("no panic"))
}

/// Whether this runs as root; says so where it does not.
pub fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("SKIPPED: needs root");
    }
    is_root
}

const LISTENING: &str = "listening on ";
