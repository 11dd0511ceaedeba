//! A daemon in the background: the process starts itself once more, waits until that serves, and ends.

use std::{
    env,
    fs::File,
    io::{self, BufRead, BufReader},
    process::{Command, ExitCode, Stdio},
};

/// The word that the daemon writes once it serves.
const READY: &str = "ready";

/// Starts the daemon and waits until it serves, or has said why it does not.
pub(super) fn start() -> io::Result<ExitCode> {
    let mut child = Command::new("/proc/self/exe")
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

/// In the daemon: tells the starter that it serves, and gives up its output and its errors.
pub(super) fn ready() -> io::Result<()> {
    rustix::io::write(rustix::stdio::stdout(), format!("{READY}\n").as_bytes())?;
    let null = File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}
