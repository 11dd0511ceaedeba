//! The other end of `/dev/log`: one datagram socket per run of a program.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A socket that reads all along, or only at the end (`hung`).
#[derive(Debug)]
pub struct Syslog {
    path: PathBuf,
    socket: Arc<UnixDatagram>,
    datagrams: Arc<Mutex<Vec<Vec<u8>>>>,
    done: Arc<Mutex<bool>>,
    reader: Option<JoinHandle<()>>,
}

impl Syslog {
    pub fn bind(path: &Path, hung: bool) -> Self {
        let socket = Arc::new(UnixDatagram::bind(path).expect("a socket of our own"));
        let timeout = Some(Duration::from_millis(20));
        socket.set_read_timeout(timeout).expect("SO_RCVTIMEO");
        let datagrams = Arc::new(Mutex::new(Vec::new()));
        let done = Arc::new(Mutex::new(false));
        let reader = (!hung).then(|| {
            let socket = Arc::clone(&socket);
            let (datagrams, done) = (Arc::clone(&datagrams), Arc::clone(&done));
            thread::spawn(move || {
                while !*done.lock().expect("no panic under the lock") {
                    receive(&socket, &datagrams);
                }
            })
        });
        Self {
            path: path.to_owned(),
            socket,
            datagrams,
            done,
            reader,
        }
    }

    /// All datagrams, once the program has ended.
    pub fn finish(mut self) -> Vec<Vec<u8>> {
        *self.done.lock().expect("no panic under the lock") = true;
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        std::fs::remove_file(&self.path).expect("it is ours");
        while receive(&self.socket, &self.datagrams) {}
        std::mem::take(&mut *self.datagrams.lock().expect("no panic under the lock"))
    }
}

/// Takes one datagram; false if none came within the time-out.
fn receive(socket: &UnixDatagram, datagrams: &Mutex<Vec<Vec<u8>>>) -> bool {
    let mut buffer = vec![0; 256 * 1024];
    match socket.recv(&mut buffer) {
        Ok(length) => {
            buffer.truncate(length);
            let mut datagrams = datagrams.lock().expect("no panic under the lock");
            datagrams.push(buffer);
            true
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => true,
        Err(error) => {
            let kind = error.kind();
            assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut));
            false
        }
    }
}

/// A datagram taken apart: `<22>Nov 21 09:25:38 hapolicy[4129]: text`.
#[derive(Clone, Debug)]
pub struct Entry {
    pub priority: u32,
    pub timestamp: String,
    pub ident: String,
    pub pid: u32,
    pub text: Vec<u8>,
    /// What follows the text: Perl's Sys::Syslog adds a line feed and a NUL.
    pub tail: Vec<u8>,
}

impl Entry {
    /// `None` if a datagram is not of that form.
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let rest = datagram.strip_prefix(b"<")?;
        let (priority, rest) = split(rest, b">")?;
        let (timestamp, rest) = rest.split_at_checked(15)?;
        let (ident, rest) = split(rest.strip_prefix(b" ")?, b"[")?;
        let (pid, text) = split(rest, b"]: ")?;
        let length = text.strip_suffix(b"\n\0").unwrap_or(text).len();
        Some(Self {
            priority: ascii(priority)?.parse().ok()?,
            timestamp: ascii(timestamp)?,
            ident: ascii(ident)?,
            pid: ascii(pid)?.parse().ok()?,
            text: text[..length].to_vec(),
            tail: text[length..].to_vec(),
        })
    }

    /// The level's name as in the table of `compat.md`, where the facility is `mail`.
    pub fn level(&self) -> String {
        match self.priority {
            19 => "error".to_owned(),
            20 => "warning".to_owned(),
            21 => "notice".to_owned(),
            22 => "info".to_owned(),
            other => format!("<{other}>"),
        }
    }

    /// Seconds since midnight, if the time stamp has the form `Nov 21 09:25:38` or `Nov  1 ...`.
    pub fn seconds(&self) -> Option<u32> {
        let (date, time) = self.timestamp.split_at_checked(7)?;
        let (month, day) = date.split_at_checked(4)?;
        let months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ";
        let day = day.strip_suffix(' ')?;
        if !months.contains(month) || day.trim_start().parse::<u32>().is_err() {
            return None;
        }
        let fields: Vec<u32> = time.split(':').filter_map(|f| f.parse().ok()).collect();
        let [hours, minutes, seconds] = fields[..] else {
            return None;
        };
        Some(hours * 3600 + minutes * 60 + seconds)
    }
}

fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = bytes.windows(at.len()).position(|w| w == at)?;
    Some((&bytes[..place], &bytes[place + at.len()..]))
}

fn ascii(bytes: &[u8]) -> Option<String> {
    bytes
        .is_ascii()
        .then(|| String::from_utf8_lossy(bytes).into_owned())
}
