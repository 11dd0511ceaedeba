//! A log of the system behind a UNIX socket: each entry is one message to it, or lost.

use std::{fmt, io, path::Path, time::Instant};

use super::{entry::Record, local_socket::LocalSocket, lost};

/// Entries for the system's log or systemd's journal. It never waits.
///
/// An entry that cannot be sent at once is lost and counted, and the count is reported as soon as one gets through
/// again.
#[derive(Debug)]
pub(super) struct SystemLog {
    socket: LocalSocket,
    form: Box<dyn Form>,
    /// Lost lines that no line has reported yet.
    lost: u64,
    /// All that were lost since the start.
    lost_in_all: u64,
}

/// The form of an entry in such a log.
pub(super) trait Form: fmt::Debug + Send {
    /// The message about an entry.
    fn message(&mut self, record: &Record<'_>) -> Vec<u8>;
}

impl SystemLog {
    pub(super) fn new(path: impl AsRef<Path>, form: impl Form + 'static) -> Self {
        Self {
            socket: LocalSocket::new(path.as_ref()),
            form: Box::new(form),
            lost: 0,
            lost_in_all: 0,
        }
    }

    /// Why its socket cannot be opened, with the path.
    pub(super) fn open_error(&mut self, now: Instant) -> Option<(String, io::Error)> {
        let error = self.socket.try_open(now).err()?;
        Some((self.socket.path().display().to_string(), error))
    }

    pub(super) fn send(&mut self, record: &Record<'_>, now: Instant) {
        if self.lost > 0 {
            let sent = lost::report(self.lost, |report| self.try_send(report, now));
            if sent.is_ok() {
                self.lost = 0;
            }
        }
        if self.try_send(record, now).is_err() {
            self.lost += 1;
            self.lost_in_all += 1;
        }
    }

    /// The lines that were lost since the start.
    pub(super) const fn lost_in_all(&self) -> u64 {
        self.lost_in_all
    }

    fn try_send(&mut self, record: &Record<'_>, now: Instant) -> io::Result<()> {
        if self.socket.is_missing(now) {
            // Nobody takes a message that would be made.
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.socket.send(&self.form.message(record), now)
    }
}

/// The facility mail.
pub(super) const MAIL: u8 = 2;

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        os::unix::net::{UnixDatagram, UnixListener},
        time::Duration,
    };

    use super::*;
    use crate::log::{journald::Journald, level::Level, syslog::Syslog};

    /// Both forms, and how they tell that three lines were lost.
    fn forms(path: &Path) -> [(SystemLog, &'static str); 2] {
        [
            (
                SystemLog::new(path, Syslog::new("hapolicy")),
                ": 3 log lines were lost",
            ),
            (
                SystemLog::new(path, Journald::new("hapolicy")),
                "\nMESSAGE=warning: 3 log lines were lost\nMESSAGE_ID=9d8b6d1e52a44c0eb8a16f0f3c571e01\n",
            ),
        ]
    }

    fn receive(log: &UnixDatagram) -> String {
        let mut line = [0; 16384];
        let length = log.recv(&mut line).unwrap();
        String::from_utf8(line[..length].to_vec()).unwrap()
    }

    fn line(text: &str) -> Record<'_> {
        Record::plain(Level::Info, text.as_bytes())
    }

    #[test]
    fn a_hung_log_loses_lines_and_says_how_many_when_it_is_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        for (mut system_log, report) in forms(&path) {
            let log = UnixDatagram::bind(&path).unwrap();
            // A datagram socket holds net.unix.max_dgram_qlen lines, ten or some hundreds.
            while system_log.lost < 3 {
                system_log.send(&line("x"), Instant::now());
            }
            log.set_nonblocking(true).unwrap();
            let mut byte = [0; 1];
            while log.recv(&mut byte).is_ok() {}
            log.set_nonblocking(false).unwrap();
            system_log.send(&line("after"), Instant::now());
            let first = receive(&log);
            assert!(first.ends_with(report), "{first}");
            assert!(receive(&log).trim_end().ends_with("after"));
            assert_eq!(system_log.lost_in_all(), 3);
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_restarted_log_gets_the_next_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        for (mut system_log, _) in forms(&path) {
            let log = UnixDatagram::bind(&path).unwrap();
            system_log.send(&line("one"), Instant::now());
            drop(log);
            std::fs::remove_file(&path).unwrap();
            let log = UnixDatagram::bind(&path).unwrap();
            system_log.send(&line("two"), Instant::now());
            assert!(receive(&log).trim_end().ends_with("two"));
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_stream_socket_will_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = UnixListener::bind(&path).unwrap();
        let mut syslog = SystemLog::new(&path, Syslog::new("hapolicy"));
        syslog.send(&line("text"), Instant::now());
        drop(syslog);
        let mut line = String::new();
        log.accept().unwrap().0.read_to_string(&mut line).unwrap();
        assert!(line.ends_with("]: text\0"), "{line:?}");
    }

    #[test]
    fn without_a_log_lines_are_lost_and_nothing_else_happens() {
        for (mut system_log, _) in forms(Path::new("/nonexistent/log")) {
            system_log.send(&line("text"), Instant::now());
            assert_eq!(system_log.lost, 1);
            let (path, error) = system_log.open_error(Instant::now()).unwrap();
            assert_eq!(
                (&*path, error.kind()),
                ("/nonexistent/log", io::ErrorKind::NotFound)
            );
        }
    }
    #[test]
    fn a_log_that_is_missing_is_tried_again_once_a_second() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let start = Instant::now();
        for (mut system_log, report) in forms(&path) {
            let mut send = |text, millis| {
                system_log.send(&line(text), start + Duration::from_millis(millis));
                system_log.lost_in_all()
            };
            assert_eq!(send("missing", 0), 1);
            let log = UnixDatagram::bind(&path).unwrap();
            // It is there, but nobody has looked.
            assert_eq!(send("soon", 1), 2);
            assert_eq!(send("within a second", 999), 3);
            assert_eq!(send("a second later", 1000), 3);
            let first = receive(&log);
            assert!(first.ends_with(report), "{first}");
            assert!(receive(&log).trim_end().ends_with("a second later"));
            assert_eq!(send("at once", 1001), 3);
            assert!(receive(&log).trim_end().ends_with("at once"));
            std::fs::remove_file(&path).unwrap();
        }
    }
}
