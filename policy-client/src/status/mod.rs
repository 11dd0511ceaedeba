//! Exit statuses: those of sysexits(3), and 1 for an answer that is not the expected one.

use std::{fmt::Display, process::ExitCode};

use tokio::signal::unix::{SignalKind, signal};

pub(crate) mod note;
use note::complain;

/// How the program ends. Of several the greatest counts: [`Ord::max`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub(crate) enum Status {
    /// All is as it should be.
    Success = 0,
    /// An answer that is not the expected one; as grep(1) ends without a match.
    Unexpected = 1,
    /// `EX_USAGE`: a wrong command line.
    Usage = 64,
    /// `EX_DATAERR`: a file, or standard input, holds something that it should not.
    Data = 65,
    /// `EX_NOINPUT`: a file cannot be read.
    NoInput = 66,
    /// `EX_UNAVAILABLE`: a request without an answer.
    Unavailable = 69,
    /// `EX_OSERR`: the system has refused something, such as a socket.
    System = 71,
    /// `EX_CANTCREAT`: a file cannot be written.
    CannotCreate = 73,
    /// `EX_IOERR`: writing has failed, for example to a disk that is full.
    Io = 74,
}

impl Status {
    /// Says on standard error what is wrong, in one line, and is the status to end with.
    pub(crate) fn say(self, error: &dyn Display) -> Self {
        complain(&error.to_string());
        self
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// Says on standard error what is wrong, in one line.
pub(crate) fn fail(error: &dyn Display, status: Status) -> ExitCode {
    status.say(error).into()
}

/// Waits for Ctrl-C or SIGTERM, from the moment of the call and not of the first poll.
///
/// # Errors
///
/// The system has no descriptors left.
pub(crate) fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}
