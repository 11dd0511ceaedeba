//! The other end of `/dev/log`: one datagram socket per run of a program.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use regex::bytes::Regex;

/// A socket that a thread reads all along, or only at the end (`hung`).
#[derive(Debug)]
pub struct Syslog {
    done: Arc<AtomicBool>,
    reader: JoinHandle<Vec<Vec<u8>>>,
}

impl Syslog {
    pub fn bind(path: &Path, hung: bool) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket of our own");
        let timeout = Some(Duration::from_millis(20));
        socket.set_read_timeout(timeout).expect("SO_RCVTIMEO");
        let done = Arc::new(AtomicBool::new(false));
        let is_done = Arc::clone(&done);
        let reader = thread::spawn(move || {
            let mut datagrams = Vec::new();
            while !is_done.load(Ordering::Acquire) {
                if hung {
                    thread::park();
                } else {
                    datagrams.extend(receive(&socket));
                }
            }
            while let Some(datagram) = receive(&socket) {
                datagrams.push(datagram);
            }
            datagrams
        });
        Self { done, reader }
    }

    /// All datagrams, once the program has ended.
    pub fn finish(self) -> Vec<Vec<u8>> {
        self.done.store(true, Ordering::Release);
        self.reader.thread().unpark();
        self.reader.join().expect("the reader does not panic")
    }
}

/// Takes one datagram; `None` if none came within the time-out.
fn receive(socket: &UnixDatagram) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Some(buffer);
            }
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock | ErrorKind::TimedOut => return None,
                _ => panic!("a datagram: {error}"),
            },
        }
    }
}

/// A datagram taken apart: `<22>Nov 21 09:25:38 hapolicy[4129]: text`.
#[derive(Clone, Debug)]
pub struct Entry {
    pub priority: u32,
    /// Since midnight.
    pub seconds: u32,
    pub pid: u32,
    pub text: Vec<u8>,
    /// What follows the text: Perl's Sys::Syslog adds a line feed and a NUL.
    pub tail: Vec<u8>,
}

impl Entry {
    /// `None` if a datagram is not of that form.
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let (_, [priority, hours, minutes, seconds, pid, text, tail]) =
            FORM.captures(datagram)?.extract();
        let number = |digits| std::str::from_utf8(digits).ok()?.parse::<u32>().ok();
        Some(Self {
            priority: number(priority)?,
            seconds: (number(hours)? * 60 + number(minutes)?) * 60 + number(seconds)?,
            pid: number(pid)?,
            text: text.to_vec(),
            tail: tail.to_vec(),
        })
    }

    /// The level's name where the facility is `mail`.
    pub fn level(&self) -> String {
        match self.priority {
            19 => "error".to_owned(),
            20 => "warning".to_owned(),
            21 => "notice".to_owned(),
            22 => "info".to_owned(),
            other => format!("<{other}>"),
        }
    }
}

static FORM: LazyLock<Regex> = LazyLock::new(|| {
    let months = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec";
    let time = "([0-9]{2}):([0-9]{2}):([0-9]{2})";
    Regex::new(&format!(
        r"(?s-u)^<([0-9]+)>(?:{months}) [ 1-3][0-9] {time} hapolicy\[([0-9]+)\]: (.*?)(|\n\x00)$"
    ))
    .expect("an expression")
});
