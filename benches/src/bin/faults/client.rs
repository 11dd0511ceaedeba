//! A client that reads and repeats as Postfix does.

use std::{
    io::{self, ErrorKind},
    thread::sleep,
    time::{Duration, Instant},
};

use policy_benches::connection::Connection;

use crate::program::Running;

/// What came of one try.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Got {
    /// An action.
    Action(String),
    /// A reply without an action.
    NoAction,
    /// The connection was closed, or something came before the request.
    Closed,
    /// Nothing more came in twenty seconds.
    Silence,
    /// There was no connection.
    NoConnection,
}

#[derive(Clone, Debug)]
pub(crate) struct Try {
    pub(crate) got: Got,
    pub(crate) took: Duration,
}

/// One smtpd: it keeps its connection while that works, and asks once more, a second later and over a
/// new connection, when it got no action.
pub(crate) struct Postfix<'a> {
    program: &'a Running<'a>,
    connection: Option<Connection>,
}

impl<'a> Postfix<'a> {
    pub(crate) const fn new(program: &'a Running<'a>) -> Self {
        Self {
            program,
            connection: None,
        }
    }

    /// Asks about a sender; at most two tries, of which the last one counts.
    pub(crate) fn ask(&mut self, sender: &str) -> Vec<Try> {
        let first = self.attempt(sender);
        if matches!(first.got, Got::Action(_)) {
            return vec![first];
        }
        sleep(TRY_DELAY);
        vec![first, self.attempt(sender)]
    }

    /// Asks once.
    pub(crate) fn attempt(&mut self, sender: &str) -> Try {
        let begin = Instant::now();
        let got = self.exchange(sender);
        if !matches!(got, Got::Action(_)) {
            self.connection = None;
        }
        Try {
            got,
            took: begin.elapsed(),
        }
    }

    fn exchange(&mut self, sender: &str) -> Got {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => match self.program.connect() {
                Ok(connection) => self.connection.insert(connection),
                Err(_) => return Got::NoConnection,
            },
        };
        ask(connection, sender).unwrap_or_else(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Got::Silence,
            _ => Got::Closed,
        })
    }
}

fn ask(connection: &mut Connection, sender: &str) -> io::Result<Got> {
    // As Postfix takes it; and it forgets what it has read beyond a reply.
    if connection.is_readable()? {
        return Ok(Got::Closed);
    }
    connection.send(request(sender).as_bytes())?;
    connection.read(PATIENCE, scan)
}

fn request(sender: &str) -> String {
    format!(
        "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nqueue_id=\n\
         client_address=192.0.2.1\nclient_name=mail.example\nhelo_name=mail.example\n\
         sender={sender}\nrecipient=someone@example.org\ninstance={sender}.0\n\n"
    )
}

/// A reply by the rules of Postfix's `attr_scan_plain`: what is not asked for is
/// skipped.
fn scan(bytes: &[u8]) -> Option<Got> {
    let mut action = None;
    let mut at = 0;
    loop {
        let line = line(bytes, at)?;
        at += line.len() + 1;
        match line.strip_prefix(b"action=") {
            _ if line.is_empty() => return Some(action.map_or(Got::NoAction, Got::Action)),
            Some(value) if action.is_none() => {
                action = Some(String::from_utf8_lossy(value).into_owned());
            }
            _ => {}
        }
    }
}

fn line(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = &bytes[at..];
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    Some(&rest[..end])
}

/// `smtpd_policy_service_retry_delay`.
const TRY_DELAY: Duration = Duration::from_secs(1);
/// In place of Postfix's 100 s.
const PATIENCE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_as_postfix_reads_them() {
        let action = |text: &str| Got::Action(text.to_owned());
        let rows: [(&[u8], Option<Got>); 7] = [
            (b"action=a b\n\naction=c\n\n", Some(action("a b"))),
            (b"x=y\naction=a\n\n", Some(action("a"))),
            (b"220 hello\r\naction=a\n\n", Some(action("a"))),
            (b"action=a\r\n\r\n", None),
            (b"action=a\n", None),
            (b"\n", Some(Got::NoAction)),
            (b"action=a\naction=b\n\n", Some(action("a"))),
        ];
        for (bytes, wanted) in rows {
            assert_eq!(scan(bytes), wanted, "{}", bytes.escape_ascii());
        }
    }
}
