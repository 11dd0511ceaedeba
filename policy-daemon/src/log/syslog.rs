//! The system's log: each line is one datagram to `/dev/log`, or lost.

use std::{
    io::{self, ErrorKind, Write},
    os::unix::net::{UnixDatagram, UnixStream},
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use chrono::Local;

use super::{level::Level, line::lost};

/// Lines for the system's log, as `NAME[PID]` of the facility mail. It never waits.
///
/// A line that cannot be sent at once is lost and counted, and the count is reported as soon as a line gets through
/// again. The socket is opened when it is needed, and again after an error.
#[derive(Debug)]
pub(crate) struct Syslog {
    path: PathBuf,
    tag: String,
    /// Its texts have prefixes, as Postfix's do.
    is_daemon: bool,
    socket: Option<Socket>,
    clock: Clock,
    /// Lost lines that no line has reported yet.
    lost: u64,
    /// All that were lost since the start.
    lost_in_all: u64,
}

#[derive(Debug)]
enum Socket {
    Datagram(UnixDatagram),
    Stream(UnixStream),
}

/// The local time as it stands in a line: for a time zone it takes more than the rest of a line, so it is made once a second.
#[derive(Debug, Default)]
struct Clock {
    /// In seconds since 1970.
    second: u64,
    text: String,
}

impl Clock {
    fn text(&mut self) -> &str {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let second = now.unwrap_or_default().as_secs();
        if self.text.is_empty() || self.second != second {
            self.second = second;
            self.text = Local::now().format("%b %e %H:%M:%S").to_string();
        }
        &self.text
    }
}

impl Syslog {
    pub(crate) fn new(name: &str, path: impl Into<PathBuf>) -> Self {
        let tag = format!("{name}[{}]", std::process::id());
        Self {
            path: path.into(),
            tag,
            is_daemon: false,
            socket: None,
            clock: Clock::default(),
            lost: 0,
            lost_in_all: 0,
        }
    }

    /// For a daemon.
    pub(crate) fn of_daemon(self) -> Self {
        Self {
            is_daemon: true,
            ..self
        }
    }

    pub(crate) fn is_daemon(&self) -> bool {
        self.is_daemon
    }

    /// Opens the socket, if it is not open.
    pub(crate) fn try_open(&mut self) -> io::Result<()> {
        if self.socket.is_none() {
            self.socket = Some(self.open()?);
        }
        Ok(())
    }

    /// Sends a line that is [`printable`](super::printable).
    pub(crate) fn send(&mut self, level: Level, text: &str) {
        if self.lost > 0 {
            let prefix = if self.is_daemon {
                Level::Warning.prefix()
            } else {
                ""
            };
            let report = format!("{prefix}{}", lost(self.lost));
            if self.try_send(Level::Warning, &report).is_ok() {
                self.lost = 0;
            }
        }
        if self.try_send(level, text).is_err() {
            self.lost += 1;
            self.lost_in_all += 1;
        }
    }

    /// The lines that were lost since the start.
    pub(crate) const fn lost_in_all(&self) -> u64 {
        self.lost_in_all
    }

    fn try_send(&mut self, level: Level, text: &str) -> io::Result<()> {
        let priority = (MAIL | level as u8).to_string();
        let time = self.clock.text();
        // Not by `format!`, since a request may cost a line.
        let line = ["<", &priority, ">", time, " ", &self.tag, ": ", text].concat();
        let line = line.as_bytes();
        let was_open = self.socket.is_some();
        match self.write(line) {
            // Once more for a log that has been restarted, but not for one that is busy or missing.
            Err(error) if was_open && error.kind() != ErrorKind::WouldBlock => {
                self.socket = None;
                self.write(line)
            }
            result => result,
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.open()?,
        };
        let written = match &socket {
            Socket::Datagram(socket) => socket.send(line).map(|_| ()),
            // On a stream a line ends in NUL. A part of one would spoil the next.
            Socket::Stream(socket) => {
                let line = [line, b"\0"].concat();
                match (&*socket).write(&line) {
                    Ok(written) if written < line.len() => Err(ErrorKind::WriteZero.into()),
                    result => result.map(|_| ()),
                }
            }
        };
        let keep = written
            .as_ref()
            .map_or_else(|e| e.kind() == ErrorKind::WouldBlock, |()| true);
        self.socket = keep.then_some(socket);
        written
    }

    fn open(&self) -> io::Result<Socket> {
        let datagram = || {
            let socket = UnixDatagram::unbound()?;
            socket.connect(&self.path)?;
            socket.set_nonblocking(true)?;
            Ok::<_, io::Error>(Socket::Datagram(socket))
        };
        let stream = || {
            // Connecting to a stream socket could wait for its backlog.
            let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            socket.connect(&socket2::SockAddr::unix(&self.path)?)?;
            Ok(Socket::Stream(UnixStream::from(socket)))
        };
        datagram().or_else(|_: io::Error| stream())
    }
}

/// The facility mail, as it stands in a line's priority.
const MAIL: u8 = 2 << 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(log: &UnixDatagram) -> String {
        let mut line = [0; 16384];
        let length = log.recv(&mut line).unwrap();
        String::from_utf8(line[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_line_has_priority_time_tag_and_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = UnixDatagram::bind(&path).unwrap();
        Syslog::new("hapolicy", &path).send(Level::Info, "text");
        let line = receive(&log);
        let pid = std::process::id();
        assert!(line.starts_with("<22>"), "{line}");
        assert_eq!(
            line[4..]
                .char_indices()
                .nth(15)
                .map(|(at, _)| &line[4 + at..])
                .unwrap(),
            format!(" hapolicy[{pid}]: text")
        );
    }

    #[test]
    fn a_hung_log_loses_lines_and_says_how_many_when_it_is_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::new("hapolicy", &path);
        // A datagram socket holds net.unix.max_dgram_qlen lines, ten or some hundreds.
        while syslog.lost < 3 {
            syslog.send(Level::Warning, "x");
        }
        log.set_nonblocking(true).unwrap();
        let mut byte = [0; 1];
        while log.recv(&mut byte).is_ok() {}
        log.set_nonblocking(false).unwrap();
        syslog.send(Level::Notice, "after");
        assert!(receive(&log).ends_with(": 3 log lines were lost"));
        assert!(receive(&log).ends_with(": after"));
    }

    #[test]
    fn a_restarted_log_gets_the_next_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::new("hapolicy", &path);
        syslog.send(Level::Info, "one");
        drop(log);
        std::fs::remove_file(&path).unwrap();
        let log = UnixDatagram::bind(&path).unwrap();
        syslog.send(Level::Info, "two");
        assert!(receive(&log).ends_with(": two"));
    }

    #[test]
    fn a_stream_socket_will_do() {
        use std::{io::Read, os::unix::net::UnixListener};

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = UnixListener::bind(&path).unwrap();
        let mut syslog = Syslog::new("hapolicy", &path);
        syslog.send(Level::Info, "text");
        drop(syslog);
        let mut line = String::new();
        log.accept().unwrap().0.read_to_string(&mut line).unwrap();
        assert!(line.ends_with("]: text\0"), "{line:?}");
    }

    #[test]
    fn without_a_log_nothing_happens() {
        let mut syslog = Syslog::new("hapolicy", "/nonexistent/log");
        syslog.send(Level::Info, "text");
        assert_eq!(syslog.lost, 1);
    }
}
