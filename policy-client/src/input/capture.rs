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

use std::{io, path::Path, time::Duration};

use bytes::BytesMut;
use policy_proto::{MessageDecoder, Request};

use super::lines::{Fault, Lines, until_fault};
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

    /// What such a line says; `None` where it is none of these. Blanks at its end may be those of an action.
    fn parse(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
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

/// Opens a file of requests; `-` is standard input.
pub(crate) fn open(path: &Path) -> io::Result<impl Iterator<Item = Result<Captured, Fault>>> {
    Ok(requests(Lines::open(path)?))
}

/// The requests of a file, in its order.
pub(crate) fn requests(mut lines: Lines) -> impl Iterator<Item = Result<Captured, Fault>> {
    until_fault(move || next(&mut lines))
}

fn next(lines: &mut Lines) -> Result<Option<Captured>, Fault> {
    let mut decoder = MessageDecoder::new();
    let mut buffer = BytesMut::new();
    let mut facts = Facts::default();
    loop {
        let mut line = lines.next()?;
        if line.is_empty() {
            if buffer.is_empty() {
                return Ok(None);
            }
            // The empty line after the last request is easily lost.
            buffer.extend_from_slice(b"\n");
        } else if line.starts_with(b"#") {
            if let Some(said) = Facts::parse(&line) {
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
                return Err(lines.fault("the last request does not end".to_owned()));
            }
            Ok(None) => {}
            Ok(Some(request)) => {
                let read = lines.read;
                return Ok(Some(Captured {
                    request,
                    facts,
                    read,
                }));
            }
            // The offset is of the request, and the line is known.
            Err(error) => return Err(lines.fault(input::reason(error))),
        }
    }
}

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
                action: Some(b"REJECT a  b=c \xff ".to_vec()),
                error: None,
            },
            Facts {
                error: Some("closed".to_owned()),
                ..Facts::default()
            },
        ] {
            let line = facts.line();
            assert_eq!(Facts::parse(&line), Some(facts));
        }
    }

    #[test]
    fn requests_are_read_with_and_without_what_is_known_of_them() {
        let text = "# a comment\n#: time=1.5 connection=2 later=x action=DUNNO\na=1\n# within\nb=2\n\n\n\nc=3\r\n\r\nd=4\n";
        let all: Vec<_> = of(text).map(Result::unwrap).collect();
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
            let mut requests = of(text);
            let fault_of_it = requests.find_map(Result::err).unwrap();
            assert_eq!(fault_of_it.to_string(), fault);
            assert!(requests.next().is_none());
        }
        let long = "a=".to_owned() + &"x".repeat(140_000);
        let fault = of(&long).next().unwrap().unwrap_err();
        assert_eq!(fault.to_string(), "line 1: longer than 131072 bytes");
    }

    fn of(text: &str) -> impl Iterator<Item = Result<Captured, Fault>> + use<> {
        requests(Lines::of(Box::new(io::Cursor::new(text.to_owned()))))
    }
}
