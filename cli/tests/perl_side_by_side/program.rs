//! One of the two programs, run through a case's steps, and everything that is seen of it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::case::{Case, Step, Syslog};
use crate::expect::Expect;
use crate::reasons::without_reasons;
use crate::servers::Servers;
use crate::stdio::{Stdio, Wires};
use crate::{syslog, world};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Program {
    Perl,
    Ours,
}

/// What was seen of one run, or of several added up.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Each aspect but the time. The log with addresses as placeholders, delays as `Ns`.
    pub seen: Expect,
    pub stderr: Vec<u8>,
    /// The log, taken apart; a datagram of another form is a complaint.
    pub entries: Vec<syslog::Entry>,
    pub complaints: Vec<String>,
    /// From the start of the steps to the end of the program.
    pub elapsed: Duration,
    /// The time of [`Step::Mark`].
    pub mark: Duration,
}

impl Outcome {
    pub fn log(&self) -> &[String] {
        self.seen.log.as_deref().unwrap_or_default()
    }
}

/// Runs all processes of a case, one after the other, against the same servers.
pub fn run(case: &Case, program: Program) -> Outcome {
    let directory = tempfile::tempdir().expect("a directory of our own");
    let servers = Servers::start(case, directory.path());
    let mut outcome = Outcome::default();
    let (mut stdout, mut log) = (Vec::new(), Vec::new());
    for _ in 0..case.runs {
        let directory = tempfile::tempdir_in(&directory).expect("a directory of our own");
        let (out, lines) = run_once(case, program, directory.path(), &servers, &mut outcome);
        stdout.extend(out);
        log.extend(lines);
    }
    if program == Program::Ours {
        stdout = match String::from_utf8(stdout) {
            Ok(text) => {
                let lines = text.split('\n').map(str::to_owned).collect();
                let lines = without_reasons(lines, "[LOG warning]: ");
                lines.join("\n").into_bytes()
            }
            Err(error) => error.into_bytes(),
        };
        log = without_reasons(log, "warning: ");
    }
    outcome.seen.stdout = Some(servers.abstracted(&stdout));
    outcome.seen.log = Some(log);
    servers.report(&mut outcome.seen);
    outcome
}

/// One process: what it wrote to standard output and to the log.
fn run_once(
    case: &Case,
    program: Program,
    directory: &Path,
    servers: &Servers,
    outcome: &mut Outcome,
) -> (Vec<u8>, Vec<String>) {
    let hung = case.syslog == Syslog::Hung;
    let log =
        (case.syslog != Syslog::Absent).then(|| syslog::Syslog::bind(&directory.join("log"), hung));
    let mut command = command(case, program, directory, servers);
    let mut wires = Wires::connect(case.stdio, &case.steps, &mut command, directory);
    let mut child = command.spawn().expect("sh starts");
    // The command holds our copies of the program's ends.
    drop(command);
    let pid = child.id();
    wires.start(&mut child);
    let start = Instant::now();
    let end = wait(child, case.limit);
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
            Step::Mark => outcome.mark = start.elapsed(),
            Step::Sleep(time) => thread::sleep(*time),
            Step::Eof => wires.end_input(),
            Step::Close => wires.close(),
            Step::Reset => wires.reset(),
            other => servers.step(other),
        }
    }
    wires.end_input();
    let status = end.join().expect("the watchdog does not panic");
    outcome.elapsed += start.elapsed();
    if let Some(before) = outcome.seen.status.replace(status.clone())
        && before != status
    {
        let complaint = format!("one process: {before}, another: {status}");
        outcome.complaints.push(complaint);
    }
    let (stdout, stderr) = wires.finish();
    outcome.stderr.extend(stderr);
    let datagrams = log.map(syslog::Syslog::finish).unwrap_or_default();
    let lines = datagrams.iter().filter_map(|datagram| {
        let line = note(datagram, pid, program, servers, outcome);
        if line.is_none() {
            let complaint = format!("pid {pid}, but in syslog: {}", datagram.escape_ascii());
            outcome.complaints.push(complaint);
        }
        line
    });
    let lines = lines.collect();
    (stdout, lines)
}

/// `sh` puts the case's file over the system's, in a namespace of the program's own.
fn command(case: &Case, program: Program, directory: &Path, servers: &Servers) -> Command {
    let mut script = String::from("set -e\n");
    let mut command = Command::new("sh");
    if let Some((target, content)) = case.file {
        let source = directory.join("file");
        fs::write(&source, servers.fill_in(content.as_bytes())).expect("a file of our own");
        script += &format!("mount --bind '{}' '{target}'\n", source.display());
        command = Command::new("unshare");
        command.args(["--mount", "sh"]);
    }
    if matches!(case.stdio, Stdio::Spawn | Stdio::SpawnUnix) {
        script += "trap '' PIPE\n";
    }
    command.args(["-c", &(script + "exec \"$@\"\n"), "sh"]);
    match program {
        Program::Perl => command.arg(world::PERL),
        Program::Ours => command
            .arg(env!("CARGO_BIN_EXE_hapolicy"))
            .args(case.extra_args),
    };
    let args = case.args.iter().map(|arg| servers.fill_in(arg));
    command.args(args.map(OsString::from_vec));
    // The link /dev/log leads there.
    command.current_dir(directory);
    command.env_remove("PERL_HASH_SEED");
    command.envs(case.env.iter().copied());
    command
}

/// A thread that waits for the end, kills a program that runs too long, and tells the status: `exit 0`, `signal 14`,
/// `killed by the test`.
fn wait(mut child: Child, limit: Duration) -> JoinHandle<String> {
    let deadline = Instant::now() + limit;
    thread::spawn(move || {
        loop {
            let status = child.try_wait().expect("it is our child");
            if let Some(status) = status {
                return match (status.code(), status.signal()) {
                    (Some(code), _) => format!("exit {code}"),
                    (None, Some(signal)) => format!("signal {signal}"),
                    (None, None) => status.to_string(),
                };
            }
            if Instant::now() >= deadline {
                child.kill().expect("it is our child");
                child.wait().expect("it is our child");
                return "killed by the test".to_owned();
            }
            thread::sleep(Duration::from_millis(3));
        }
    })
}

/// The line of a datagram, as `level: text`; `None` if the datagram is of another form.
fn note(
    datagram: &[u8],
    pid: u32,
    program: Program,
    servers: &Servers,
    outcome: &mut Outcome,
) -> Option<String> {
    // Perl's Sys::Syslog ends each datagram so; ours ends with the text.
    let tail: &[u8] = match program {
        Program::Perl => b"\n\0",
        Program::Ours => b"",
    };
    let entry = syslog::Entry::parse(datagram)?;
    if entry.pid != pid || entry.tail != tail {
        return None;
    }
    let mut line = entry.level() + ": ";
    // Bytes that are not UTF-8 as `{NN}`: replaced by one sign, different ones would look alike, and `\xNN` is what
    // ours writes.
    for chunk in servers.abstracted(&entry.text).utf8_chunks() {
        line += chunk.valid();
        for byte in chunk.invalid() {
            line += &format!("{{{byte:02x}}}");
        }
    }
    outcome.entries.push(entry);
    Some(line)
}
