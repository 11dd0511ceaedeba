//! Stop and reload: signals to the daemon of the pid file.

use std::{io, time::Duration};

use rustix::process::{Pid, Signal};

use super::{
    Exit, control,
    paths::Paths,
    pid_file::{self, Named, NotRunning},
    print, say,
};

/// What has come of a stop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stopped {
    /// The daemon has ended.
    Ended,
    /// There was none, as has been said.
    NotRunning,
}

impl Stopped {
    /// Ends the line that a stop has begun.
    pub(super) fn print(self, end: &str) {
        match self {
            Self::Ended => print(end),
            Self::NotRunning => {}
        }
    }
}

/// Ends the daemon of the pid file, and waits for its end.
pub(super) fn stop(paths: &Paths, compat: bool) -> Result<Stopped, Exit> {
    let shown = paths.pid_file.display();
    match look(paths)? {
        Named::Running(pid) => {
            end(pid)?;
            remove(paths, pid);
            Ok(Stopped::Ended)
        }
        Named::NotRunning(NotRunning::NoFile) if compat => {
            let text = format!("No pidfile, expected it at {shown}!");
            Err(Exit::with_status(1, text))
        }
        Named::NotRunning(why) => {
            print(&format!("not running: {}\n", why.text(&paths.pid_file)));
            if let NotRunning::LeftBehind(pid, _) = why {
                remove(paths, pid);
            }
            Ok(Stopped::NotRunning)
        }
    }
}

/// What the pid file tells. No daemon is said not to run that listens: its file may have been removed or replaced, or it was started
/// without one.
fn look(paths: &Paths) -> Result<Named, Exit> {
    let read = || {
        let named = pid_file::look(&paths.pid_file);
        named.map_err(|error| Exit::with_status(1, error.to_string()))
    };
    let named = read()?;
    if matches!(named, Named::Running(_)) {
        return Ok(named);
    }
    let socket = paths.socket.as_ref();
    let Some((socket, pid)) = socket.and_then(|path| Some((path, control::listener(path)?))) else {
        return Ok(named);
    };
    // A start writes the file before it listens.
    match read()? {
        Named::NotRunning(why) => {
            let (why, number) = (why.text(&paths.pid_file), pid.as_raw_nonzero());
            let socket = socket.display();
            let text = format!(
                "{why}, but process {number} listens at {socket}: see whether that is the daemon, and end it by its number"
            );
            Err(Exit::with_status(1, text))
        }
        running => Ok(running),
    }
}

/// Refuses to restart a daemon where the pid file could not name the next one, which nobody could stop or reload then. The file
/// stays as it is: another restart may have written it by now.
pub(super) fn check_restart(paths: &Paths) -> Result<(), Exit> {
    let Ok(Named::Running(pid)) = pid_file::look(&paths.pid_file) else {
        return Ok(());
    };
    pid_file::check(&paths.pid_file, pid).map_err(|error| {
        let (number, why) = (pid.as_raw_nonzero(), cannot_write(paths, &error));
        Exit::died(format!("process {number} goes on: {why}"))
    })
}

/// Why a daemon is not started.
pub(super) fn cannot_write(paths: &Paths, error: &io::Error) -> String {
    let shown = paths.pid_file.display();
    format!("cannot write the pid file {shown}: {error}")
}

/// A file that stays behind keeps nothing from working.
fn remove(paths: &Paths, pid: Pid) {
    if let Err(error) = pid_file::remove(&paths.pid_file, pid) {
        let shown = paths.pid_file.display();
        say(&format!("warning: cannot remove {shown}: {error}"));
    }
}

fn end(pid: Pid) -> Result<(), Exit> {
    let number = pid.as_raw_nonzero();
    print("terminating ");
    let sent = pid_file::signal(pid, Signal::TERM);
    sent.map_err(|error| Exit::died(format!("cannot end process {number}: {error}")))?;
    if pid_file::has_ended(pid, MAX_END, || print(".")) {
        return Ok(());
    }
    // Requests under way have had their time.
    _ = pid_file::signal(pid, Signal::KILL);
    print("killed\n");
    if pid_file::has_ended(pid, MAX_END, || ()) {
        return Ok(());
    }
    Err(Exit::died(format!(
        "a process with pid {number} exists, and does not end"
    )))
}

/// Has the daemon of the pid file read its file again.
pub(super) fn reload(paths: &Paths) -> Result<(), Exit> {
    let shown = paths.pid_file.display();
    let named = pid_file::look(&paths.pid_file).map_err(|error| Exit::died(error.to_string()))?;
    let pid = match named {
        Named::Running(pid) => pid,
        Named::NotRunning(NotRunning::NoFile) => {
            let text = format!("Couldn't open {shown}: No such file or directory");
            return Err(Exit::died(text));
        }
        Named::NotRunning(NotRunning::LeftBehind(_, why)) => {
            return Err(Exit::died(format!("not running: {why}")));
        }
    };
    print(&format!("sending HUP to {}\n", pid.as_raw_nonzero()));
    match pid_file::signal(pid, Signal::HUP) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Exit::died("not running: it has ended just now")),
        Err(error) => Err(Exit::died(format!("err: {error}"))),
    }
}

/// How long `stop` waits for the end, and once more after SIGKILL.
const MAX_END: Duration = Duration::from_secs(6);
