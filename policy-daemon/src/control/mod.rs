//! The control socket: commands of an administrator to a running daemon.
//!
//! It is a UNIX socket of mode 0600, for root and the user that the daemon runs as; others are refused, which the log says.
//! A client sends the words of a command, each in a line, and an empty line. The answer is a line with `ok` or `failed`,
//! and a text up to the end of the connection. A thread of its own serves it, so that no request waits for a command.
//! [`ask`] is the client, and [`CtlProgram`] its command line. [`follow`] is the client of a command whose answer takes
//! time, as that of `trace`.

mod client;
mod connection;
mod program;
mod protocol;
mod shown;
mod start;
mod trace;
mod trace_command;

use std::{fmt, time::Duration};

pub use client::{AskError, ask, follow};
pub use program::{CtlProgram, fail, finish};
pub use shown::{aligned, json, seconds, shown, table};
pub use trace_command::TraceCommand;

#[cfg(feature = "tokio")]
pub(crate) use shown::key;
pub(crate) use start::prepare;

use crate::trace::Traces;

/// The commands of a service. The methods run on the thread of a client.
pub trait Control: fmt::Debug + Send + Sync + 'static {
    /// Carries out a command, given as its words: there is at least one.
    ///
    /// # Errors
    ///
    /// The reason for the administrator, in one line, where it cannot be done. Nothing has changed then.
    fn command(&self, words: &[String], daemon: &DaemonStatus) -> Result<Done, String>;

    /// The traces of its requests. With them there is the command `trace`.
    fn traces(&self) -> Option<Traces> {
        None
    }
}

/// A daemon as it is now, for a command that shows it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct DaemonStatus {
    /// How long it has served.
    pub uptime: Duration,
    /// Threads that serve clients.
    pub workers: usize,
    /// Connections of clients that are open.
    pub clients: usize,
    /// Connections of clients that may be open.
    pub max_clients: usize,
    /// Log lines that could not be written.
    pub log_lines_lost: u64,
    /// Whether it ends: the requests in progress are its last ones.
    pub is_stopping: bool,
}

/// A command that has been carried out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Done {
    /// The text for the administrator: lines, or nothing.
    pub text: String,
    /// The change for the log, if there is one: it is logged with the user who has asked for it.
    pub change: Option<String>,
}

impl Done {
    /// Something is shown, and nothing has changed.
    pub fn shown(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            change: None,
        }
    }

    /// Something has changed: one line for the administrator and the log.
    pub fn changed(line: impl Into<String>) -> Self {
        let line = line.into();
        Self {
            text: format!("{line}\n"),
            change: Some(line),
        }
    }
}
