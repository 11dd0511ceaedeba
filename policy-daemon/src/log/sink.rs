//! The places that the lines of a log go to: the system's log, standard output, or a buffer.

use std::{
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{
    buffer::Buffer,
    entry::Record,
    prefix::tagged,
    printable::shown,
    stdout::{Stdout, Unbuffered},
    stdout_form::StdoutForm,
    system_log::SystemLog,
};

#[derive(Debug)]
pub(super) enum Sink {
    System(Mutex<SystemLog>),
    Buffer(Mutex<Buffer>),
    Stdout(Stdout),
}

impl Sink {
    pub(super) fn system(log: SystemLog) -> Self {
        Self::System(Mutex::new(log))
    }

    pub(super) fn buffer() -> Self {
        Self::Buffer(Mutex::default())
    }

    pub(super) fn stdout(form: StdoutForm) -> Self {
        Self::Stdout(Stdout::new(Unbuffered, form))
    }

    pub(super) fn write(&self, record: &Record<'_>) {
        match self {
            Self::System(log) => lock(log).send(record, Instant::now()),
            Self::Buffer(buffer) => {
                lock(buffer).push(&tagged(record.level, &shown(record.text)));
            }
            Self::Stdout(stdout) => stdout.send(record),
        }
    }

    /// The path of the system's log and the error, where nobody takes lines.
    pub(super) fn open_error(&self) -> Option<(String, io::Error)> {
        match self {
            Self::System(log) => lock(log).open_error(Instant::now()),
            Self::Buffer(_) | Self::Stdout(_) => None,
        }
    }

    /// The lines that were lost since the start.
    pub(super) fn lost(&self) -> u64 {
        match self {
            Self::System(log) => lock(log).lost_in_all(),
            Self::Buffer(buffer) => lock(buffer).lost_in_all,
            Self::Stdout(stdout) => stdout.lost_in_all(),
        }
    }

    /// Takes the lines of a buffer.
    pub(super) fn take_buffered(&self) -> Vec<u8> {
        match self {
            Self::Buffer(buffer) => lock(buffer).take().into_bytes(),
            Self::System(_) | Self::Stdout(_) => Vec::new(),
        }
    }

    /// Waits up to a second for lines on their way to standard output, and writes a buffer there.
    pub(super) fn flush(&self) {
        match self {
            Self::System(_) => {}
            // A failure could be reported nowhere.
            Self::Buffer(_) => _ = io::stdout().write_all(&self.take_buffered()),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A line that a panic has cut short is better than no log.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::net::UnixDatagram};

    use super::*;
    use crate::log::{Level, MAX_LINE, syslog::Syslog};

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

    fn to_syslog(level: Level, text: &[u8], of_daemon: bool) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let socket = UnixDatagram::bind(&path).unwrap();
        let syslog = if of_daemon {
            Syslog::new("hapolicy").of_daemon()
        } else {
            Syslog::new("hapolicy")
        };
        let sink = Sink::system(SystemLog::new(&path, syslog));
        sink.write(&Record::plain(level, text));
        let mut datagram = vec![0; 65536];
        let length = socket.recv(&mut datagram).unwrap();
        datagram.truncate(length);
        String::from_utf8(datagram).unwrap()
    }

    fn buffered(level: Level, text: &[u8]) -> String {
        let sink = Sink::buffer();
        sink.write(&Record::plain(level, text));
        let lines = whole_line(level, sink.take_buffered());
        assert!(sink.take_buffered().is_empty());
        lines
    }

    fn to_stdout(level: Level, text: &[u8]) -> String {
        let (mut reader, writer) = io::pipe().unwrap();
        let sink = Sink::Stdout(Stdout::new(writer, StdoutForm::Plain));
        sink.write(&Record::plain(level, text));
        drop(sink);
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
