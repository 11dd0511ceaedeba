//! Where lines go, in a form that nobody can take for two, and without ever waiting.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use syslog::Syslog;

mod pending;
pub(crate) mod suppress;
pub(crate) mod syslog;
use pending::Pending;

mod printable;
pub(crate) use printable::MAX_LINE;
pub use printable::{escaped, printable, printable_json};

mod stdout;
use stdout::{Stdout, Unbuffered};

/// How much a line matters: the levels of syslog that are used here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Level {
    /// The process does not start.
    Fatal = 2,
    /// Mail is not being checked.
    Error = 3,
    /// A policy server, or a setting, is not as it should be.
    Warning = 4,
    /// A client sent what it should not.
    Notice = 5,
    /// What happens.
    Info = 6,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
        }
    }

    /// How a daemon's text begins, as Postfix's do: log analysers look for that.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Fatal => "fatal: ",
            Self::Error => "error: ",
            Self::Warning => "warning: ",
            Self::Notice | Self::Info => "",
        }
    }
}

/// Where lines go. It never waits: what cannot be written at once is lost, counted, and said later.
///
/// Each line is [`printable`], whatever it is about and wherever it goes: UTF-8, without control
/// characters, and of at most 8 KiB. What waits for standard output has 1 MiB.
#[derive(Clone, Debug)]
pub struct Log(Arc<Sink>);

#[derive(Debug)]
enum Sink {
    Syslog(Mutex<Syslog>),
    /// Kept until the reply that they belong before.
    WithReplies(Mutex<Pending>),
    Stdout(Stdout),
}

impl Log {
    /// To the system's log, `/dev/log`, in the Perl script's words.
    #[must_use]
    pub fn syslog() -> Self {
        Self::to(Sink::Syslog(Mutex::new(Syslog::new(DEV_LOG))))
    }

    /// A daemon's: to the system's log, or to standard output, which carries nothing else. Its texts
    /// begin with `warning: `, `error: ` or `fatal: `.
    #[must_use]
    pub fn of_daemon(stdout: bool) -> Self {
        Self::to(match stdout {
            true => Sink::Stdout(Stdout::new(Unbuffered)),
            false => Sink::Syslog(Mutex::new(Syslog::new(DEV_LOG).of_daemon())),
        })
    }

    /// Why no line arrives, if none does; and where.
    pub(crate) fn unreachable(&self) -> Option<(&'static str, io::Error)> {
        match &*self.0 {
            Sink::Syslog(syslog) => Some((DEV_LOG, lock(syslog).try_open().err()?)),
            Sink::WithReplies(_) | Sink::Stdout(_) => None,
        }
    }

    /// To standard output, which carries the replies as well: see [`take_pending`](Self::take_pending).
    #[must_use]
    pub fn with_replies() -> Self {
        Self::to(Sink::WithReplies(Mutex::default()))
    }

    /// Takes the place of Rust's message on standard error, which may be the protocol's socket: a
    /// panic is one line here.
    pub fn panics(&self) {
        let log = self.clone();
        std::panic::set_hook(Box::new(move |panic| {
            let payload = panic.payload();
            let owned = payload.downcast_ref::<String>().map(String::as_str);
            let text = payload
                .downcast_ref::<&str>()
                .copied()
                .or(owned)
                .unwrap_or("no message");
            let place = panic
                .location()
                .map(|place| format!(" at {place}"))
                .unwrap_or_default();
            log.line(
                Level::Error,
                format!("internal error, this is a bug{place}: {text}"),
            );
        }));
    }

    /// Writes a line.
    pub fn line(&self, level: Level, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        match &*self.0 {
            Sink::Syslog(syslog) => {
                let mut syslog = lock(syslog);
                let text = match syslog.is_daemon() {
                    true => prefixed(level, text),
                    false => printable(text),
                };
                syslog.send(level, &text);
            }
            Sink::WithReplies(pending) => lock(pending).push(&tagged(level, &printable(text))),
            Sink::Stdout(stdout) => stdout.send(tagged(level, &prefixed(level, text))),
        }
    }

    /// The lines that are to be written to standard output before the next reply.
    #[must_use]
    pub fn take_pending(&self) -> Vec<u8> {
        match &*self.0 {
            Sink::WithReplies(pending) => lock(pending).take().into_bytes(),
            Sink::Syslog(_) | Sink::Stdout(_) => Vec::new(),
        }
    }

    fn to(sink: Sink) -> Self {
        Self(Arc::new(sink))
    }

    /// Gives lines that are on their way to standard output a moment to get there, at the end of the
    /// process.
    pub fn flush(&self) {
        match &*self.0 {
            Sink::Syslog(_) => {}
            // Nobody is left to be told when it fails.
            Sink::WithReplies(_) => _ = io::stdout().write_all(&self.take_pending()),
            Sink::Stdout(stdout) => stdout.flush(),
        }
    }
}

/// What is said in the place of lost lines.
pub(crate) fn lost(count: u64) -> String {
    format!("{count} log lines were lost")
}

/// A daemon's text.
fn prefixed(level: Level, text: &[u8]) -> String {
    match level.prefix() {
        "" => printable(text),
        prefix => printable([prefix.as_bytes(), text].concat()),
    }
}

fn tagged(level: Level, text: &str) -> String {
    format!("[LOG {}]: {text}\n", level.as_str())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A line half-written by a panic is better than no log.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const DEV_LOG: &str = "/dev/log";
/// The bytes of lines that may wait for standard output: some thousand lines, for a reader that is slow
/// for a moment.
const MAX_WAITING: usize = 1 << 20;

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
                with_replies(Level::Notice, text),
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
                (with_replies(level, b"text"), prefix.is_empty()),
            ] {
                assert_eq!(written.ends_with(&whole), begins_so, "{written}");
                assert!(written.ends_with("text"), "{written}");
            }
        }
        let long = to_stdout(Level::Warning, &b"x".repeat(20_000));
        let text = long.strip_prefix("[LOG warning]: warning: x");
        assert_eq!(long.len(), "[LOG warning]: ".len() + MAX_LINE, "{text:?}");
    }

    fn to_syslog(level: Level, text: &[u8], of_daemon: bool) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let socket = UnixDatagram::bind(&path).unwrap();
        let syslog = match of_daemon {
            true => Syslog::new(&path).of_daemon(),
            false => Syslog::new(&path),
        };
        let log = Log::to(Sink::Syslog(Mutex::new(syslog)));
        log.line(level, text);
        let mut datagram = vec![0; 65536];
        let length = socket.recv(&mut datagram).unwrap();
        datagram.truncate(length);
        String::from_utf8(datagram).unwrap()
    }

    fn with_replies(level: Level, text: &[u8]) -> String {
        let log = Log::with_replies();
        log.line(level, text);
        let lines = whole_line(level, log.take_pending());
        assert!(log.take_pending().is_empty());
        lines
    }

    fn to_stdout(level: Level, text: &[u8]) -> String {
        let (mut reader, writer) = io::pipe().unwrap();
        let log = Log::to(Sink::Stdout(Stdout::new(writer)));
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
            line.starts_with(tagged(level, "").trim_end_matches('\n')) && !line.contains('\n'),
            "{line}"
        );
        line.to_owned()
    }
}
