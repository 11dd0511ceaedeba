//! The log: each text becomes one harmless line, and no caller ever waits.
//!
//! Lines go to syslog, to systemd's journal, to standard output, or into a buffer. Lines that cannot be written at once are
//! lost and counted, and the count is reported later. The [`Suppressor`] holds back lines that repeat, and a [`Sample`]
//! leaves out those of most requests. An [`Entry`] is a line with fields, for programs that look for it.

use std::{
    io::{self, Write},
    panic::PanicHookInfo,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

mod batch;
mod buffer;
mod entry;
mod field;
mod journald;
mod json;
mod level;
mod line;
mod local_socket;
mod message_id;
mod printable;
mod sample;
mod stdout;
mod suppress;
mod syslog;
mod system_log;
mod target;
#[cfg(feature = "tracing")]
mod tracing;

pub use entry::{Entry, Field};
pub use field::append_field;
pub use level::Level;
pub use message_id::MessageId;
pub use printable::{MAX_LINE, escaped, printable, printable_json};
pub use sample::{InvalidSample, Sample};
pub use suppress::{ALL, Change, Suppressor};
pub use target::{LogTarget, UnknownLogTarget};
#[cfg(feature = "tracing")]
pub use tracing::TracingLayer;

use buffer::Buffer;
use entry::Record;
use journald::Journald;
use json::Json;
use line::{LineForm, tagged};
use printable::shown;
use stdout::{Stdout, Unbuffered};
use syslog::Syslog;
use system_log::SystemLog;

/// A log that never waits: a line that cannot be written at once is lost, counted, and reported later.
///
/// Each line is [`printable`], whatever its text is and wherever it goes: UTF-8, without control characters, and of at
/// most 8 KiB. Up to 1 MiB of lines may wait for standard output.
///
/// ```
/// use policy_daemon::log::{Level, Log};
///
/// let log = Log::buffered();
/// log.line(Level::Notice, b"a client sent \x1b[2J");
/// assert_eq!(log.take_buffered(), b"[LOG notice]: a client sent ?[2J\n");
/// ```
#[derive(Clone, Debug)]
pub struct Log(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sink: Sink,
    has_fields: bool,
    /// Lines that a sample has left out.
    left_out: AtomicU64,
    /// Requests so far whose message has no name.
    unnamed: AtomicU64,
}

#[derive(Debug)]
enum Sink {
    System(Mutex<SystemLog>),
    Buffer(Mutex<Buffer>),
    Stdout(Stdout),
}

impl Log {
    /// The log of a program that is no daemon, in the system's log: its texts have no prefix.
    #[must_use]
    pub fn syslog(name: &str) -> Self {
        Self::system(SystemLog::new(DEV_LOG, Syslog::new(name)))
    }

    /// A daemon's log. Its texts begin with `warning: `, `error: ` or `fatal: `, but for those of JSON lines, which have
    /// the level as a key.
    #[must_use]
    pub fn daemon(name: &str, target: LogTarget) -> Self {
        let stdout = |form| Sink::Stdout(Stdout::new(Unbuffered, form));
        match target {
            LogTarget::Syslog => {
                Self::system(SystemLog::new(DEV_LOG, Syslog::new(name).of_daemon()))
            }
            LogTarget::Journal => {
                let log = SystemLog::new(journald::SOCKET, Journald::new(name));
                Self::with_fields(Sink::System(Mutex::new(log)))
            }
            LogTarget::Stdout => Self::to(stdout(LineForm::Plain)),
            LogTarget::Json => Self::with_fields(stdout(LineForm::Json(Json::new(name)))),
        }
    }

    /// Lines that wait until they are [taken](Self::take_buffered): for a standard output that carries a protocol as
    /// well, and for tests. Up to 1 MiB waits.
    #[must_use]
    pub fn buffered() -> Self {
        Self::to(Sink::Buffer(Mutex::default()))
    }

    /// Reports on standard error, once, that no line arrives, and what helps.
    pub(crate) fn warn_if_unreachable(&self, name: &str, hint: &str) {
        if let Sink::System(log) = &self.0.sink
            && let Some((path, error)) = lock(log).open_error(Instant::now())
        {
            eprintln!("{name}: no log: {path}: {error}; {hint}");
        }
    }

    /// From now on a panic is one line here. Rust's own message goes to standard error, which may be the protocol's
    /// socket.
    pub fn report_panics(&self) {
        let log = self.clone();
        let report = move |panic: &PanicHookInfo<'_>| {
            let payload = panic.payload();
            let owned = payload.downcast_ref::<String>().map(String::as_str);
            let text = payload.downcast_ref::<&str>().copied().or(owned);
            let text = text.unwrap_or("no message");
            let place = panic.location().map(|place| format!(" at {place}"));
            let place = place.unwrap_or_default();
            let text = format!("internal error, this is a bug{place}: {text}");
            log.line(Level::Error, text);
        };
        std::panic::set_hook(Box::new(report));
    }

    /// Writes a line.
    pub fn line(&self, level: Level, text: impl AsRef<[u8]>) {
        self.write(&Record::plain(level, text.as_ref()));
    }

    /// Writes a line with its fields, where the log [has](Self::has_fields) them.
    pub fn entry(&self, entry: &Entry) {
        self.write(&entry.record());
    }

    /// Whether fields are written: to systemd's journal, and in JSON lines. Elsewhere they need not be gathered.
    #[must_use]
    pub fn has_fields(&self) -> bool {
        self.0.has_fields
    }

    /// Whether a line about a request of the message of this `instance` is to be written. One that is not is counted.
    ///
    /// Requests without an `instance`, which Postfix does not send, are chosen one by one.
    #[must_use]
    pub fn takes_sampled(&self, sample: Sample, instance: &[u8]) -> bool {
        if sample.is_all() {
            return true;
        }
        let is_taken = if instance.is_empty() {
            sample.takes(&self.0.unnamed.fetch_add(1, Relaxed).to_be_bytes())
        } else {
            sample.takes(instance)
        };
        if !is_taken {
            self.0.left_out.fetch_add(1, Relaxed);
        }
        is_taken
    }

    /// The lines that a sample has left out since the start.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.0.left_out.load(Relaxed)
    }

    fn write(&self, record: &Record<'_>) {
        match &self.0.sink {
            Sink::System(log) => lock(log).send(record, Instant::now()),
            Sink::Buffer(buffer) => {
                lock(buffer).push(&tagged(record.level, &shown(record.text)));
            }
            Sink::Stdout(stdout) => stdout.send(record),
        }
    }

    /// Writes a line of normal operation.
    pub fn info(&self, text: impl AsRef<[u8]>) {
        self.line(Level::Info, text);
    }

    /// The lines that were lost since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        match &self.0.sink {
            Sink::System(log) => lock(log).lost_in_all(),
            Sink::Buffer(buffer) => lock(buffer).lost_in_all,
            Sink::Stdout(stdout) => stdout.lost_in_all(),
        }
    }

    /// Takes the lines of a [buffered](Self::buffered) log.
    #[must_use]
    pub fn take_buffered(&self) -> Vec<u8> {
        match &self.0.sink {
            Sink::Buffer(buffer) => lock(buffer).take().into_bytes(),
            Sink::System(_) | Sink::Stdout(_) => Vec::new(),
        }
    }

    /// Gives lines on their way to standard output up to a second to get there, at the end of the process. A buffered
    /// log is written to standard output.
    pub fn flush(&self) {
        match &self.0.sink {
            Sink::System(_) => {}
            // A failure could be reported nowhere.
            Sink::Buffer(_) => _ = io::stdout().write_all(&self.take_buffered()),
            Sink::Stdout(stdout) => stdout.flush(),
        }
    }

    fn system(log: SystemLog) -> Self {
        Self::to(Sink::System(Mutex::new(log)))
    }

    fn to(sink: Sink) -> Self {
        Self::new(sink, false)
    }

    fn with_fields(sink: Sink) -> Self {
        Self::new(sink, true)
    }

    fn new(sink: Sink, has_fields: bool) -> Self {
        Self(Arc::new(Inner {
            sink,
            has_fields,
            left_out: AtomicU64::new(0),
            unnamed: AtomicU64::new(0),
        }))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A line that a panic has cut short is better than no log.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const DEV_LOG: &str = "/dev/log";

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::net::UnixDatagram};

    use super::*;

    #[test]
    fn every_sink_gets_the_same_harmless_line() {
        for (text, line) in [
            (&b"a\nb\x7f\x1b\xff\tc"[..], r"a?b??\xff?c".to_owned()),
            (
                "\u{9b}2J \u{202e}".as_bytes(),
                r"\xc2\x9b2J \xe2\x80\xae".to_owned(),
            ),
            (&b"x".repeat(20_000), "x".repeat(8189) + "..."),
        ] {
            for written in [
                to_syslog(Level::Notice, text, false),
                to_syslog(Level::Notice, text, true),
                buffered(Level::Notice, text),
                to_stdout(Level::Notice, text),
            ] {
                assert!(written.ends_with(&line), "{written}");
            }
        }
    }

    #[test]
    fn a_text_of_a_daemon_begins_as_postfix_texts_do() {
        for (level, prefix) in [
            (Level::Fatal, "fatal: "),
            (Level::Error, "error: "),
            (Level::Warning, "warning: "),
            (Level::Notice, ""),
            (Level::Info, ""),
        ] {
            let whole = format!("]: {prefix}text");
            for (written, begins_so) in [
                (to_syslog(level, b"text", true), true),
                (to_stdout(level, b"text"), true),
                (to_syslog(level, b"text", false), prefix.is_empty()),
                (buffered(level, b"text"), prefix.is_empty()),
            ] {
                assert_eq!(written.ends_with(&whole), begins_so, "{written}");
                assert!(written.ends_with("text"), "{written}");
            }
        }
        let long = to_stdout(Level::Warning, &b"x".repeat(20_000));
        let text = long.strip_prefix("[LOG warning]: warning: x");
        assert_eq!(long.len(), "[LOG warning]: ".len() + MAX_LINE, "{text:?}");
    }

    #[test]
    fn what_a_sample_leaves_out_is_counted() {
        let log = Log::buffered();
        let half: Sample = "50%".parse().unwrap();
        let taken = |instance: &dyn Fn(u32) -> String| {
            let instances = (0..1000).map(instance);
            instances
                .filter(|name| log.takes_sampled(half, name.as_bytes()))
                .count()
        };
        let named = taken(&|n| format!("{n:x}.0"));
        assert!((400..600).contains(&named), "{named}");
        assert_eq!(log.left_out(), 1000 - named as u64);
        assert!(
            [0, 1000].contains(&taken(&|_| "1.2.3".to_owned())),
            "one message"
        );
        let unnamed = taken(&|_| String::new());
        assert!((400..600).contains(&unnamed), "{unnamed}");
        assert!(log.takes_sampled(Sample::ALL, b""));
    }

    fn to_syslog(level: Level, text: &[u8], of_daemon: bool) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let socket = UnixDatagram::bind(&path).unwrap();
        let syslog = if of_daemon {
            Syslog::new("hapolicy").of_daemon()
        } else {
            Syslog::new("hapolicy")
        };
        let log = Log::system(SystemLog::new(&path, syslog));
        log.line(level, text);
        let mut datagram = vec![0; 65536];
        let length = socket.recv(&mut datagram).unwrap();
        datagram.truncate(length);
        String::from_utf8(datagram).unwrap()
    }

    fn buffered(level: Level, text: &[u8]) -> String {
        let log = Log::buffered();
        log.line(level, text);
        let lines = whole_line(level, log.take_buffered());
        assert!(log.take_buffered().is_empty());
        lines
    }

    fn to_stdout(level: Level, text: &[u8]) -> String {
        let (mut reader, writer) = io::pipe().unwrap();
        let log = Log::to(Sink::Stdout(Stdout::new(writer, LineForm::Plain)));
        log.line(level, text);
        drop(log);
        let mut lines = Vec::new();
        reader.read_to_end(&mut lines).unwrap();
        whole_line(level, lines)
    }

    /// One line without its line feed.
    fn whole_line(level: Level, lines: Vec<u8>) -> String {
        let lines = String::from_utf8(lines).unwrap();
        let line = lines.strip_suffix('\n').expect(&lines);
        assert!(
            line.starts_with(tagged(level, "").concat().trim_end_matches('\n'))
                && !line.contains('\n'),
            "{line}"
        );
        line.to_owned()
    }
}
