//! The daemon before: a start waits shortly for one that is ending.

use std::{
    io::ErrorKind,
    thread::sleep,
    time::{Duration, Instant},
};

use policy_daemon::{
    Daemon, DaemonOptions, Inherited, StartError,
    log::{Level, Log, LogTarget},
};
use rustix::process::Pid;

use super::pid_file;

/// Whether the process of the pid file has ended, or does so now.
pub(super) fn has_ended(pid: Pid, ident: &str, target: LogTarget) -> bool {
    let text = format!(
        "waiting for the daemon before to end: its pid is {}",
        pid.as_raw_nonzero()
    );
    // A log of its own: a start closes the descriptors that it does not know.
    let log = Log::daemon(ident, target);
    log.line(Level::Notice, text);
    log.flush();
    pid_file::has_ended(pid, MAX_WAIT, || ())
}

/// Takes the sockets. An address that is in use may be that of a daemon which is ending.
pub(super) fn prepare(options: &DaemonOptions, inherited: Inherited) -> Result<Daemon, StartError> {
    let mut prepared = Daemon::prepare(options, inherited);
    if is_in_use(&prepared) {
        let address = options.listen.concat();
        let text = format!("waiting for another process to leave {address}");
        let log = Log::daemon(&options.name, options.log);
        log.line(Level::Notice, text);
        log.flush();
    }
    let deadline = Instant::now() + MAX_WAIT;
    while is_in_use(&prepared) && Instant::now() < deadline {
        sleep(Duration::from_millis(50));
        // A socket that a service manager passes would not be in use.
        prepared = Daemon::prepare(options, Inherited::default());
    }
    prepared
}

fn is_in_use(prepared: &Result<Daemon, StartError>) -> bool {
    matches!(prepared, Err(StartError::System(_, error)) if error.kind() == ErrorKind::AddrInUse)
}

/// Far more than a daemon without requests takes to end. A start beside one that goes on fails so much later.
const MAX_WAIT: Duration = Duration::from_secs(2);
