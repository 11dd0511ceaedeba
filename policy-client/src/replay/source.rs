//! The requests of a file, read by a thread of its own, in the order of their times.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    io,
    path::Path,
    thread,
};

use policy_proto::{Request, attr};
use tokio::sync::mpsc;

use super::{Format, maillog, order::Ordered, timestamp};
use crate::{
    input::{
        capture::{self, Captured, Facts},
        lines::Lines,
    },
    request::preset::Version,
};

/// A request to ask.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(super) request: Request,
    pub(super) facts: Facts,
    /// Requests with the same number go over one connection, in their order.
    pub(super) connection: u64,
    /// Bytes of the file up to its end.
    pub(super) read: u64,
}

/// Requests as they are read.
#[derive(Debug)]
pub(super) struct Source {
    entries: mpsc::Receiver<Result<Entry, String>>,
    length: Option<u64>,
}

impl Source {
    /// Opens the file, and begins to read it.
    pub(super) fn start(path: &Path, format: Format, postfix: Version) -> io::Result<Self> {
        let mut lines = Lines::open(path)?;
        // Of standard input and of pipes nobody knows it.
        let length = fs::metadata(path).ok();
        let length = length.filter(fs::Metadata::is_file).map(|file| file.len());
        let (sender, entries) = mpsc::channel(READ_AHEAD);
        let read = move || {
            if is_compressed(lines.peek()) {
                _ = sender.blocking_send(Err(COMPRESSED.to_owned()));
                return;
            }
            let is_log = match format {
                Format::Auto => is_log(lines.peek()),
                Format::Requests => false,
                Format::Log => true,
            };
            let captured: Box<dyn Iterator<Item = Result<Captured, String>>> = if is_log {
                let requests = maillog::requests(lines, postfix);
                Box::new(requests.map(|read| read.map_err(|fault| fault.to_string())))
            } else {
                let mut is_guess = format == Format::Auto;
                Box::new(capture::requests(lines).map(move |read| {
                    let is_first = std::mem::take(&mut is_guess);
                    match read {
                        Ok(captured) if is_first && !is_of_postfix(&captured) => {
                            Err(format!("line 1: no attribute that Postfix sends{NEITHER}"))
                        }
                        Err(fault) if is_first && fault.line == 1 => {
                            Err(format!("{fault}{NEITHER}"))
                        }
                        read => read.map_err(|fault| fault.to_string()),
                    }
                }))
            };
            for captured in Ordered::new(captured) {
                if sender.blocking_send(captured.map(Entry::from)).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new()
            .name("reader".to_owned())
            .spawn(read)?;
        Ok(Self { entries, length })
    }

    pub(super) const fn length(&self) -> Option<u64> {
        self.length
    }

    pub(super) async fn next(&mut self) -> Option<Result<Entry, String>> {
        self.entries.recv().await
    }
}

impl From<Captured> for Entry {
    fn from(captured: Captured) -> Self {
        let Captured {
            request,
            facts,
            read,
        } = captured;
        // Those of a message belong together.
        let connection = facts.connection.unwrap_or_else(|| {
            let mut hasher = DefaultHasher::new();
            request.get(attr::INSTANCE).hash(&mut hasher);
            hasher.finish()
        });
        Self {
            request,
            facts,
            connection,
            read,
        }
    }
}

/// Whether a file of requests may begin so: any file may have lines with a `=`.
fn is_of_postfix(first: &Captured) -> bool {
    let known =
        |(name, _): (&[u8], _)| str::from_utf8(name).is_ok_and(|name| attr::since(name).is_some());
    first.facts != Facts::default() || first.request.attributes().any(known)
}

/// Whether a file that begins so is a log: its first line begins with a time, or is one of journalctl's own.
fn is_log(begin: &[u8]) -> bool {
    let line = begin.split(|byte| *byte == b'\n').next();
    let is_timed = |line| timestamp::Clock::default().read(line).is_some();
    line.is_some_and(|line| line.starts_with(b"-- ") || is_timed(line))
}

/// Whether a file begins as gzip, xz and zstd do.
fn is_compressed(begin: &[u8]) -> bool {
    let magic = [&b"\x1f\x8b"[..], b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];
    magic.iter().any(|magic| begin.starts_with(magic))
}

const COMPRESSED: &str = "it is compressed: have zcat, xzcat or zstdcat write it to '-'";
/// What a fault in the first line may be about.
const NEITHER: &str = ": the file begins neither as requests nor as a mail log";
/// Requests that wait to be asked.
const READ_AHEAD: usize = 64;
