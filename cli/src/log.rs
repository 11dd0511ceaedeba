use std::{
    io::Write,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, SyncSender, TrySendError},
    },
    thread,
    time::Duration,
};

use crate::syslog::Syslog;

/// How much a line matters: the levels of syslog that are used here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Level {
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
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
        }
    }
}

/// Where lines go. It never waits: what cannot be written at once is lost, counted, and said later.
///
/// Control characters are written as `?`; other bytes stay.
#[derive(Clone, Debug)]
pub struct Log(Arc<Sink>);

#[derive(Debug)]
enum Sink {
    Syslog(Mutex<Syslog>),
    /// Kept until the reply that they belong before.
    WithReplies(Mutex<Vec<u8>>),
    Stdout(Stdout),
}

impl Log {
    /// To the system's log, `/dev/log`.
    #[must_use]
    pub fn syslog() -> Self {
        Self::to(Sink::Syslog(Mutex::new(Syslog::new("/dev/log"))))
    }

    /// To standard output, which carries the replies as well: see [`take_pending`](Self::take_pending).
    #[must_use]
    pub fn with_replies() -> Self {
        Self::to(Sink::WithReplies(Mutex::default()))
    }

    /// To standard output, which carries nothing else.
    #[must_use]
    pub fn stdout() -> Self {
        Self::to(Sink::Stdout(Stdout::new()))
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
        let text = printable(text.as_ref());
        let tagged = || [b"[LOG ", level.as_str().as_bytes(), b"]: ", &text, b"\n"].concat();
        match &*self.0 {
            Sink::Syslog(syslog) => lock(syslog).send(level, &text),
            Sink::WithReplies(pending) => lock(pending).extend(tagged()),
            Sink::Stdout(stdout) => stdout.send(tagged()),
        }
    }

    /// The lines that are to be written to standard output before the next reply.
    #[must_use]
    pub fn take_pending(&self) -> Vec<u8> {
        match &*self.0 {
            Sink::WithReplies(pending) => mem::take(&mut *lock(pending)),
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
            Sink::WithReplies(_) => _ = std::io::stdout().write_all(&self.take_pending()),
            Sink::Stdout(stdout) => stdout.flush(),
        }
    }
}

/// A thread that writes, since standard output may be a pipe that nobody reads.
#[derive(Debug)]
struct Stdout {
    lines: SyncSender<Message>,
    lost: AtomicU64,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

impl Stdout {
    fn new() -> Self {
        let (lines, queue) = mpsc::sync_channel(QUEUE);
        let writer = move || {
            for message in queue {
                match message {
                    // Nobody is left to be told when it fails.
                    Message::Line(line) => _ = std::io::stdout().write_all(&line),
                    Message::Flush(done) => _ = done.send(()),
                }
            }
        };
        // Without the thread every line is lost, and counted.
        _ = thread::Builder::new().name("log".to_owned()).spawn(writer);
        Self {
            lines,
            lost: AtomicU64::new(0),
        }
    }

    fn send(&self, line: Vec<u8>) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let report = format!("[LOG warning]: {lost} log lines were lost\n");
            if self
                .lines
                .try_send(Message::Line(report.into_bytes()))
                .is_err()
            {
                self.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.lines.try_send(Message::Line(line))
        {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {
        let (done, flushed) = mpsc::sync_channel(1);
        if self.lines.try_send(Message::Flush(done)).is_ok() {
            // The end of the process does not wait for a reader that has stopped.
            _ = flushed.recv_timeout(Duration::from_secs(1));
        }
    }
}

/// The text with `?` in place of control characters, so that a line stays one line.
fn printable(text: &[u8]) -> Vec<u8> {
    text.iter()
        .map(|byte| if byte.is_ascii_control() { b'?' } else { *byte })
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A line half-written by a panic is better than no log.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lines that may wait for standard output.
const QUEUE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_cannot_begin_a_line_of_their_own() {
        let log = Log::with_replies();
        log.line(Level::Notice, b"a\nb\x7f\x1b\xff\tc");
        assert_eq!(log.take_pending(), b"[LOG notice]: a?b??\xff?c\n");
        assert!(log.take_pending().is_empty());
    }
}
