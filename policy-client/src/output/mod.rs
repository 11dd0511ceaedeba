//! Output of the subcommands: lines for people or objects for programs, counts, and reports of tests.

use std::io::{self, ErrorKind, IsTerminal, Write};

use policy_daemon::log::{printable, printable_json};
use serde_json::Value;

use crate::status::Status;

pub(crate) mod measured;
pub(crate) mod report;
pub(crate) mod summary;
pub(crate) mod verbose;

/// For whom a subcommand prints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Objects, one a line, and no other lines.
    pub(crate) json: bool,
}

impl Output {
    /// Prints one line: the object for programs, the text for people.
    ///
    /// A terminal obeys what it is sent, and the text may come from a policy server: there it is escaped.
    pub(crate) fn line(self, text: &[u8], object: impl FnOnce() -> Value) -> io::Result<()> {
        if self.json {
            print(format!("{}\n", printable_json(&object().to_string())).as_bytes())
        } else if io::stdout().is_terminal() {
            print(format!("{}\n", printable(text)).as_bytes())
        } else {
            print(&[text, b"\n"].concat())
        }
    }
}

/// A number of things: `1 time`, `2 times`.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    match count {
        1 => format!("1 {thing}"),
        count => format!("{count} {thing}s"),
    }
}

/// Prints all of these bytes at once, so that they are seen as soon as they are there, also in a file.
pub(crate) fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

/// The status of a subcommand that has printed: a reader that has gone is no failure, and nothing is said of it.
pub(crate) fn ended(printed: io::Result<()>, status: Status) -> Status {
    match printed {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Status::Io.say(&format!("standard output: {error}"))
        }
        _ => status,
    }
}

/// Lines of a subcommand that goes on when nobody takes them any more: the first failure is said, and is in the status.
#[derive(Debug)]
pub(crate) struct Lines {
    output: Output,
    /// What is left once one has failed.
    failed: Option<Status>,
}

impl Lines {
    pub(crate) const fn new(output: Output) -> Self {
        Self {
            output,
            failed: None,
        }
    }

    pub(crate) fn line(&mut self, text: &[u8], object: impl FnOnce() -> Value) {
        if self.failed.is_none() {
            let printed = self.output.line(text, object);
            if printed.is_err() {
                self.failed = Some(ended(printed, Status::Success));
            }
        }
    }

    pub(crate) const fn status(&self) -> Status {
        match self.failed {
            Some(status) => status,
            None => Status::Success,
        }
    }
}
