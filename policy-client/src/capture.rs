//! Files of captured requests: what `tap` records, and what `replay` and `query --template` read.
//!
//! A file is requests as they stand on the wire. Lines that begin with `#` are none of a request's; one that begins with
//! `#:` before a request says when it came, over which connection, and what was answered:
//!
//! ```text
//! #: time=1764424000.123456 connection=3 elapsed=0.001234 action=DUNNO
//! request=smtpd_access_policy
//! protocol_state=RCPT
//!
//! ```

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    os::fd::AsFd,
    path::Path,
    time::Duration,
};

use bytes::BytesMut;
use policy_proto::{MessageDecoder, Request};
use rustix::{fs::FileType, io::Errno};
use thiserror::Error;

use crate::input;

/// A request of a file, and what is known of it.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) request: Request,
    pub(crate) facts: Facts,
    /// Bytes of the file up to its end.
    pub(crate) read: u64,
}

/// What is known of a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Facts {
    /// Since 1970, or since anything else that is the same for the whole file.
    pub(crate) time: Option<Duration>,
    pub(crate) connection: Option<u64>,
    pub(crate) elapsed: Option<Duration>,
    pub(crate) action: Option<Vec<u8>>,
    /// Why there was no answer.
    pub(crate) error: Option<String>,
}

impl Facts {
    /// The line before the request.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut line = b"#:".to_vec();
        let seconds = |time: Duration| format!("{}.{:06}", time.as_secs(), time.subsec_micros());
        for (name, value) in [
            ("time", self.time.map(seconds)),
            (
                "connection",
                self.connection.map(|number| number.to_string()),
            ),
            ("elapsed", self.elapsed.map(seconds)),
        ] {
            if let Some(value) = value {
                line.extend_from_slice(format!(" {name}={value}").as_bytes());
            }
        }
        // To the end of the line, since they have blanks.
        if let Some(action) = &self.action {
            line.extend_from_slice(b" action=");
            line.extend_from_slice(action);
        } else if let Some(error) = &self.error {
            line.extend_from_slice(b" error=");
            line.extend_from_slice(error.as_bytes());
        }
        line.push(b'\n');
        line
    }

    /// What such a line says; `None` where it is none of these.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut rest = line.strip_prefix(b"#:")?;
        let mut facts = Self::default();
        while let Some(word) = rest.strip_prefix(b" ") {
            if let Some(action) = word.strip_prefix(b"action=") {
                facts.action = Some(action.to_vec());
                return Some(facts);
            }
            if let Some(error) = word.strip_prefix(b"error=") {
                facts.error = Some(String::from_utf8_lossy(error).into_owned());
                return Some(facts);
            }
            let end = word.iter().position(|byte| *byte == b' ');
            let (word, after) = word.split_at(end.unwrap_or(word.len()));
            rest = after;
            let (name, value) = str::from_utf8(word).ok()?.split_once('=')?;
            match name {
                "time" => facts.time = Some(seconds(value)?),
                "connection" => facts.connection = Some(value.parse().ok()?),
                "elapsed" => facts.elapsed = Some(seconds(value)?),
                // A later version may say more.
                _ => {}
            }
        }
        rest.is_empty().then_some(facts)
    }
}

fn seconds(text: &str) -> Option<Duration> {
    // Written with six digits behind the point, of which a float is not exact.
    let micros = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
    let micros = micros.saturating_add(Duration::from_nanos(500)).as_micros();
    Some(Duration::from_micros(u64::try_from(micros).ok()?))
}

/// Why a file cannot be read on.
#[derive(Debug, Error)]
#[error("line {line}: {reason}")]
pub(crate) struct Fault {
    pub(crate) line: u64,
    pub(crate) reason: String,
}

/// Lines of a file, bounded, with their numbers.
pub(crate) struct Lines {
    reader: Box<dyn BufRead + Send>,
    pub(crate) number: u64,
    pub(crate) read: u64,
}

impl Lines {
    /// Opens a file; `-` is standard input.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let reader: Box<dyn BufRead + Send> = if path.as_os_str() == "-" {
            refuse_directory(io::stdin())?;
            Box::new(BufReader::new(io::stdin()))
        } else {
            let file = File::open(path)?;
            refuse_directory(&file)?;
            Box::new(BufReader::new(file))
        };
        Ok(Self::of(reader))
    }

    pub(crate) fn of(reader: Box<dyn BufRead + Send>) -> Self {
        Self {
            reader,
            number: 0,
            read: 0,
        }
    }

    /// The beginning of the file, which stays to be read.
    pub(crate) fn peek(&mut self) -> &[u8] {
        self.reader.fill_buf().unwrap_or_default()
    }

    /// The next line with its line feed; empty at the end.
    pub(crate) fn next(&mut self) -> Result<Vec<u8>, Fault> {
        let mut line = Vec::new();
        self.number += 1;
        let mut bounded = io::Read::take(&mut self.reader, MAX_LINE);
        match bounded.read_until(b'\n', &mut line) {
            Err(error) => Err(self.fault(error.to_string())),
            Ok(_) if line.len() as u64 == MAX_LINE && !line.ends_with(b"\n") => {
                Err(self.fault(format!("longer than {MAX_LINE} bytes")))
            }
            Ok(count) => {
                self.read += count as u64;
                Ok(line)
            }
        }
    }

    pub(crate) fn fault(&self, reason: String) -> Fault {
        Fault {
            line: self.number,
            reason,
        }
    }
}

/// A directory can be opened, and says what it is when it is read.
fn refuse_directory(file: impl AsFd) -> io::Result<()> {
    let found = rustix::fs::fstat(file)?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory => Err(Errno::ISDIR.into()),
        _ => Ok(()),
    }
}

/// Opens a file of requests; `-` is standard input.
pub(crate) fn open(path: &Path) -> io::Result<Requests> {
    Ok(Requests::of(Lines::open(path)?))
}

/// The requests of a file, in its order. After a fault there is no other one.
pub(crate) struct Requests {
    lines: Lines,
    has_failed: bool,
}

impl Requests {
    pub(crate) fn of(lines: Lines) -> Self {
        Self {
            lines,
            has_failed: false,
        }
    }

    fn read(&mut self) -> Result<Option<Captured>, Fault> {
        let mut decoder = MessageDecoder::new();
        let mut buffer = BytesMut::new();
        let mut facts = Facts::default();
        loop {
            let mut line = self.lines.next()?;
            if line.is_empty() {
                if buffer.is_empty() {
                    return Ok(None);
                }
                // The empty line after the last request is easily lost.
                buffer.extend_from_slice(b"\n");
            } else if line.starts_with(b"#") {
                if let Some(said) = Facts::parse(line.trim_ascii_end()) {
                    facts = said;
                }
                continue;
            } else if buffer.is_empty() && line.trim_ascii().is_empty() {
                continue;
            } else {
                if !line.ends_with(b"\n") {
                    line.push(b'\n');
                }
                buffer.extend_from_slice(&line);
            }
            match decoder.request(&mut buffer) {
                Ok(None) if line.is_empty() => {
                    return Err(self.lines.fault("the last request does not end".to_owned()));
                }
                Ok(None) => {}
                Ok(Some(request)) => {
                    let read = self.lines.read;
                    return Ok(Some(Captured {
                        request,
                        facts,
                        read,
                    }));
                }
                // The offset is of the request, and the line is known.
                Err(error) => return Err(self.lines.fault(input::reason(error))),
            }
        }
    }
}

impl Iterator for Requests {
    type Item = Result<Captured, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let read = self.read();
        self.has_failed = read.is_err();
        read.transpose()
    }
}

/// More than a line of a request may have, or an answer that was recorded.
const MAX_LINE: u64 = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_of_a_request_is_read_again() {
        for facts in [
            Facts::default(),
            Facts {
                time: Some(Duration::from_micros(1_764_424_000_123_456)),
                connection: Some(3),
                elapsed: Some(Duration::from_micros(1234)),
                action: Some(b"REJECT a  b=c \xff".to_vec()),
                error: None,
            },
            Facts {
                error: Some("closed".to_owned()),
                ..Facts::default()
            },
        ] {
            let line = facts.line();
            assert_eq!(Facts::parse(line.trim_ascii_end()), Some(facts));
        }
    }

    #[test]
    fn requests_are_read_with_and_without_what_is_known_of_them() {
        let text = "# a comment\n#: time=1.5 connection=2 later=x action=DUNNO\na=1\n# within\nb=2\n\n\n\nc=3\r\n\r\nd=4\n";
        let all: Vec<_> = requests(text).map(Result::unwrap).collect();
        let wire: Vec<_> = all.iter().map(|one| one.request.as_bytes()).collect();
        assert_eq!(wire, [&b"a=1\nb=2\n\n"[..], b"c=3\n\n", b"d=4\n\n"]);
        assert_eq!(all[0].facts.time, Some(Duration::from_millis(1500)));
        assert_eq!(all[0].facts.connection, Some(2));
        assert_eq!(all[0].facts.action.as_deref(), Some(&b"DUNNO"[..]));
        assert_eq!(all[1].facts, Facts::default());
        assert_eq!(all[2].read, text.len() as u64);
    }

    #[test]
    fn a_fault_has_its_line_and_is_the_last_that_is_read() {
        for (text, fault) in [
            ("a=1\n\nrubbish\n\nb=2\n\n", "line 3: no '='"),
            ("=1\n\n", "line 1: no name before '='"),
        ] {
            let mut requests = requests(text);
            let fault_of_it = requests.find_map(Result::err).unwrap();
            assert_eq!(fault_of_it.to_string(), fault);
            assert!(requests.next().is_none());
        }
        let long = "a=".to_owned() + &"x".repeat(140_000);
        let fault = requests(&long).next().unwrap().unwrap_err();
        assert_eq!(fault.to_string(), "line 1: longer than 131072 bytes");
    }

    fn requests(text: &str) -> Requests {
        Requests::of(Lines::of(Box::new(io::Cursor::new(text.to_owned()))))
    }
}
