//! Runs one of the two programs through a case's steps and notes all that can be seen.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::case::{Case, Stdio, Step, Syslog};
use super::reasons::without_reasons;
use super::room::Room;
use super::servers::Servers;
use super::stdio::Wires;
use super::{syslog, world};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Program {
    Perl,
    Ours,
}

/// What was seen of one run, or of several added up.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// `exit 0`, `signal 14`, `killed by the test`.
    pub status: String,
    /// `level: text`, addresses as placeholders, delays as `Ns`.
    pub log: Vec<String>,
    /// The datagrams taken apart; one that is of another form is a complaint.
    pub entries: Vec<syslog::Entry>,
    pub complaints: Vec<String>,
    pub requests: Vec<(&'static str, Vec<Vec<u8>>)>,
    pub connections: Vec<(&'static str, usize)>,
    /// From the start of the steps to the end of the program.
    pub elapsed: Duration,
    pub marks: Vec<(&'static str, Duration)>,
}

impl Outcome {
    pub fn requests_of(&self, stub: &str) -> &[Vec<u8>] {
        let found = self.requests.iter().find(|(name, _)| *name == stub);
        &found.expect("a stub of the case").1
    }

    pub fn connections_of(&self, stub: &str) -> usize {
        let found = self.connections.iter().find(|(name, _)| *name == stub);
        found.expect("a stub of the case").1
    }

    pub fn mark(&self, name: &str) -> Duration {
        let found = self.marks.iter().find(|(mark, _)| *mark == name);
        found.expect("a mark of the case").1
    }
}

/// Runs all processes of a case, one after the other, against the same servers.
pub fn run(case: &Case, program: Program, room: &Room) -> Outcome {
    let directory = tempfile::tempdir_in(room.directory()).expect("a directory of our own");
    let servers = Servers::start(case, directory.path());
    let mut outcome = Outcome::default();
    for _ in 0..case.runs {
        run_once(case, program, room, &servers, &mut outcome);
    }
    servers.report(&mut outcome);
    outcome
}

fn run_once(case: &Case, program: Program, room: &Room, servers: &Servers, outcome: &mut Outcome) {
    let directory = tempfile::tempdir_in(room.directory()).expect("a directory of our own");
    let present = case.syslog != Syslog::Absent;
    let hung = case.syslog == Syslog::Hung;
    let log = present.then(|| syslog::Syslog::bind(&room.directory().join("log"), hung));

    let mut command = command(case, program, room, directory.path(), servers);
    let mut wires = Wires::connect(case.stdio, &case.steps, &mut command, directory.path());
    let child = command.spawn().expect("unshare starts");
    // The command holds our copies of the program's ends.
    drop(command);
    let pid = child.id();
    let child = Arc::new(Mutex::new(child));
    wires.start(&child);
    let (watchdog, killed) = watch(Arc::clone(&child), case.limit);

    let start = Instant::now();
    for step in &case.steps {
        match step {
            Step::Send(_) | Step::Bytewise(_) if case.stdio == Stdio::File => {}
            Step::Send(bytes) => wires.send(bytes),
            Step::Bytewise(bytes) => {
                for byte in bytes {
                    wires.send(&[*byte]);
                    thread::sleep(Duration::from_millis(1));
                }
            }
            Step::Replies(count, limit) => wires.wait_replies(*count, *limit),
            Step::Mark(name) => outcome.marks.push((name, start.elapsed())),
            Step::Sleep(time) => thread::sleep(*time),
            Step::Eof => wires.end_input(),
            Step::Close => wires.close(),
            Step::Reset => wires.reset(),
            other => servers.step(other),
        }
    }
    wires.end_input();
    let status = wait(&child);
    outcome.elapsed += start.elapsed();
    drop(watchdog);
    let killed = killed.join().expect("the watchdog does not panic");
    let status = if killed {
        "killed by the test".to_owned()
    } else {
        describe(status)
    };
    if !outcome.status.is_empty() && outcome.status != status {
        let complaint = format!("one process: {}, another: {status}", outcome.status);
        outcome.complaints.push(complaint);
    }
    outcome.status = status;
    let (stdout, stderr) = wires.finish();
    outcome.stdout.extend(match program {
        Program::Perl => stdout,
        Program::Ours => stdout_without_reasons(stdout),
    });
    outcome.stderr.extend(stderr);
    note_log(log, pid, program, servers, outcome);
    if program == Program::Ours {
        outcome.log = without_reasons(std::mem::take(&mut outcome.log), "warning: ");
    }
}

fn stdout_without_reasons(stdout: Vec<u8>) -> Vec<u8> {
    match String::from_utf8(stdout) {
        Ok(text) => {
            let lines = text.split('\n').map(str::to_owned).collect();
            without_reasons(lines, "[LOG warning]: ")
                .join("\n")
                .into_bytes()
        }
        Err(error) => error.into_bytes(),
    }
}

/// `sh` puts the case's files over the system's, in a namespace within that of the room.
fn command(
    case: &Case,
    program: Program,
    room: &Room,
    directory: &Path,
    servers: &Servers,
) -> Command {
    let mut script = String::from("set -e\n");
    for (number, (target, content)) in case.files.iter().enumerate() {
        let source = directory.join(format!("file{number}"));
        fs::write(&source, servers.fill_in(content.as_bytes())).expect("a file of our own");
        script += &format!("mount --bind '{}' '{target}'\n", source.display());
    }
    if matches!(case.stdio, Stdio::Spawn | Stdio::SpawnUnix) {
        script += "trap '' PIPE\n";
    }
    script += "exec \"$@\"\n";
    let mut command = room.command(&script);
    if !case.files.is_empty() {
        command = room.command("exec unshare --mount sh -c \"$@\"");
        command.args([&script, "sh"]);
    }
    match program {
        Program::Perl => command.arg(world::PERL),
        Program::Ours => command.arg(ours()).args(&case.extra_args),
    };
    let args = case.args.iter().map(|arg| servers.fill_in(arg));
    command.args(args.map(OsString::from_vec));
    command.env_remove("PERL_HASH_SEED");
    command.envs(case.env.iter().copied());
    command
}

fn ours() -> &'static str {
    env!("CARGO_BIN_EXE_hapolicy")
}

/// Kills a program that runs too long; ends with the sender's drop and says whether it had to.
fn watch(child: Arc<Mutex<Child>>, limit: Duration) -> (Sender<()>, thread::JoinHandle<bool>) {
    let (sender, receiver) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if receiver.recv_timeout(limit) != Err(mpsc::RecvTimeoutError::Timeout) {
            return false;
        }
        let mut child = child.lock().expect("no panic under the lock");
        let running = matches!(child.try_wait(), Ok(None));
        if running {
            child.kill().expect("it is our child");
        }
        running
    });
    (sender, watchdog)
}

fn wait(child: &Mutex<Child>) -> ExitStatus {
    loop {
        let status = child.lock().expect("no panic under the lock").try_wait();
        if let Some(status) = status.expect("it is our child") {
            return status;
        }
        thread::sleep(Duration::from_millis(3));
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

fn note_log(
    log: Option<syslog::Syslog>,
    pid: u32,
    program: Program,
    servers: &Servers,
    outcome: &mut Outcome,
) {
    let Some(log) = log else { return };
    // Perl's Sys::Syslog ends each datagram so; ours ends with the text.
    let tail: &[u8] = if program == Program::Perl {
        b"\n\0"
    } else {
        b""
    };
    for datagram in log.finish() {
        let Some(entry) = syslog::Entry::parse(&datagram) else {
            let text = format!("a datagram of another form: {}", datagram.escape_ascii());
            outcome.complaints.push(text);
            continue;
        };
        let wrong = entry.ident != "hapolicy"
            || entry.pid != pid
            || entry.tail != tail
            || entry.seconds().is_none();
        if wrong {
            let text = format!("pid {pid}, but in syslog: {}", datagram.escape_ascii());
            outcome.complaints.push(text);
        }
        let text = readable(&servers.abstracted(&entry.text));
        let line = format!("{}: {text}", entry.level());
        outcome.log.push(line);
        outcome.entries.push(entry);
    }
}

/// Bytes that are not UTF-8 as `{NN}`: replaced by one sign, different ones would look alike, and `\xNN`
/// is what ours writes.
fn readable(text: &[u8]) -> String {
    let mut readable = String::new();
    for chunk in text.utf8_chunks() {
        readable += chunk.valid();
        for byte in chunk.invalid() {
            readable += &format!("{{{byte:02x}}}");
        }
    }
    readable
}
