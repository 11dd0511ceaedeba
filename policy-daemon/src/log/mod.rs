//! The log: each text becomes one harmless line, and no caller ever waits.
//!
//! Lines go to syslog, to systemd's journal, to standard output, or into a buffer. Lines that cannot be written at once are
//! lost and counted, and the count is reported later. The [`Suppressor`] holds back lines that repeat, and a [`Sample`]
//! leaves out those of most requests. An [`Entry`] is a line with fields, for programs that look for it.

use std::sync::Arc;

mod batch;
mod buffer;
mod entry;
mod field;
mod journald;
mod json;
mod level;
mod local_socket;
mod lost;
mod message_id;
mod panics;
mod prefix;
mod printable;
mod sample;
mod sampler;
mod sink;
mod stdout;
mod stdout_form;
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

use entry::Record;
use journald::Journald;
use json::Json;
use sampler::Sampler;
use sink::Sink;
use stdout_form::StdoutForm;
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
    sampler: Sampler,
}

impl Log {
    /// The log of a program that is no daemon, in the system's log: its texts have no prefix.
    #[must_use]
    pub fn syslog(name: &str) -> Self {
        Self::to(Sink::system(SystemLog::new(DEV_LOG, Syslog::new(name))))
    }

    /// A daemon's log. Its texts begin with `warning: `, `error: ` or `fatal: `, but for those of JSON lines, which have
    /// the level as a key.
    #[must_use]
    pub fn daemon(name: &str, target: LogTarget) -> Self {
        match target {
            LogTarget::Syslog => {
                let syslog = Syslog::new(name).of_daemon();
                Self::to(Sink::system(SystemLog::new(DEV_LOG, syslog)))
            }
            LogTarget::Journal => {
                let log = SystemLog::new(journald::SOCKET, Journald::new(name));
                Self::with_fields(Sink::system(log))
            }
            LogTarget::Stdout => Self::to(Sink::stdout(StdoutForm::Plain)),
            LogTarget::Json => Self::with_fields(Sink::stdout(StdoutForm::Json(Json::new(name)))),
        }
    }

    /// Lines that wait until they are [taken](Self::take_buffered): for a standard output that carries a protocol as
    /// well, and for tests. Up to 1 MiB waits.
    #[must_use]
    pub fn buffered() -> Self {
        Self::to(Sink::buffer())
    }

    /// Reports on standard error, once, that no line arrives, and what helps.
    pub(crate) fn warn_if_unreachable(&self, name: &str, hint: &str) {
        if let Some((path, error)) = self.0.sink.open_error() {
            eprintln!("{name}: no log: {path}: {error}; {hint}");
        }
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
        self.0.sampler.takes(sample, instance)
    }

    /// The lines that a sample has left out since the start.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.0.sampler.left_out()
    }

    fn write(&self, record: &Record<'_>) {
        self.0.sink.write(record);
    }

    /// Writes a line of normal operation.
    pub fn info(&self, text: impl AsRef<[u8]>) {
        self.line(Level::Info, text);
    }

    /// The lines that were lost since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.sink.lost()
    }

    /// Takes the lines of a [buffered](Self::buffered) log.
    #[must_use]
    pub fn take_buffered(&self) -> Vec<u8> {
        self.0.sink.take_buffered()
    }

    /// Gives lines on their way to standard output up to a second to get there, at the end of the process. A buffered
    /// log is written to standard output.
    pub fn flush(&self) {
        self.0.sink.flush();
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
            sampler: Sampler::default(),
        }))
    }
}

const DEV_LOG: &str = "/dev/log";
