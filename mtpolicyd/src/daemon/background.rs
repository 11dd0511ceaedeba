//! A daemon in the background: the process starts itself once more, waits until that serves, and ends.

use std::{
    env,
    fs::File,
    io::{self, BufRead, BufReader},
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    process::{Command, ExitCode, Stdio},
};

/// The word that the daemon writes once it serves.
const READY: &str = "ready";

/// Starts the daemon and waits until it serves, or has said why it does not.
pub(super) fn start() -> io::Result<ExitCode> {
    let mut child = Command::new("/proc/self/exe")
        .arg0("mtpolicyd")
        .args(env::args_os().skip(1))
        .arg("--background-child")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            if line? == READY {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    let status = child
        .wait()?
        .code()
        .and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(status.unwrap_or(1)))
}

/// In the daemon: leaves the session of the starter.
pub(super) fn detach() {
    // It fails for the leader of a process group, which the child of a process is not.
    _ = rustix::process::setsid();
}

/// In the daemon: the starter, which waits.
#[derive(Debug)]
pub(super) struct Starter {
    /// What the starter reads.
    output: OwnedFd,
    /// There may be none below the daemon's root.
    null: File,
}

impl Starter {
    /// Takes standard output, which is free for the log from now on.
    pub(super) fn new() -> io::Result<Self> {
        let output = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), FIRST)?;
        let null = File::options().write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdout(&null)?;
        Ok(Self { output, null })
    }

    /// Tells it that the daemon serves, and gives up its standard error.
    pub(super) fn tell(&self) {
        // It may have gone.
        _ = rustix::io::write(&self.output, format!("{READY}\n").as_bytes());
        _ = rustix::stdio::dup2_stderr(&self.null);
    }
}

/// The first descriptor behind standard error.
const FIRST: i32 = 3;
