//! A client that reads and repeats as Postfix does.

use std::{
    io,
    thread::sleep,
    time::{Duration, Instant},
};

use policy_client::{Answer, Failure, Flaw, Idle};
use tokio::runtime::{Builder, Runtime};

use crate::program::{Open, Running};

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
    runtime: Runtime,
    connection: Option<Open>,
}

impl<'a> Postfix<'a> {
    /// On the thread that asks.
    pub(crate) fn new(program: &'a Running<'a>) -> io::Result<Self> {
        Ok(Self {
            program,
            runtime: Builder::new_current_thread().enable_all().build()?,
            connection: None,
        })
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
        let (program, connection) = (self.program, &mut self.connection);
        let answer = self.runtime.block_on(ask(program, connection, sender));
        if answer.is_err() {
            *connection = None;
        }
        let got = Got::from(answer);
        Try {
            got,
            took: begin.elapsed(),
        }
    }
}

async fn ask(
    program: &Running<'_>,
    open: &mut Option<Open>,
    sender: &str,
) -> Result<Answer<'static>, Failure> {
    let Open { connection, .. } = match open {
        Some(open) => open,
        none => none.insert(program.connect(PATIENCE).await?),
    };
    // As Postfix takes it; and it forgets what it has read beyond a reply.
    if connection.idle() != Idle::Silent {
        return Err(Failure::Closed);
    }
    connection
        .send(request(sender).as_bytes(), PATIENCE)
        .await?;
    connection.answer(PATIENCE).await
}

impl From<Result<Answer<'_>, Failure>> for Got {
    fn from(answer: Result<Answer<'_>, Failure>) -> Self {
        let text = |action: &[u8]| Self::Action(String::from_utf8_lossy(action).into_owned());
        match answer {
            Ok(answer) => text(&answer.action),
            Err(Failure::Connect(_)) => Self::NoConnection,
            Err(Failure::TimedOut { .. }) => Self::Silence,
            Err(Failure::Closed | Failure::Half(_) | Failure::Connection { .. }) => Self::Closed,
            Err(Failure::Invalid(fault)) => match fault.flaw {
                Flaw::NoAction | Flaw::NoValue => Self::NoAction,
                // An action, although none that Postfix can use.
                _ => text(fault.line.strip_prefix(b"action=").unwrap_or_default()),
            },
        }
    }
}

fn request(sender: &str) -> String {
    format!(
        "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nqueue_id=\n\
         client_address=192.0.2.1\nclient_name=mail.example\nhelo_name=mail.example\n\
         sender={sender}\nrecipient=someone@example.org\ninstance={sender}.0\n\n"
    )
}

/// `smtpd_policy_service_retry_delay`.
const TRY_DELAY: Duration = Duration::from_secs(1);
/// In place of Postfix's 100 s.
const PATIENCE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use std::{error::Error, io::Write, os::unix::net::UnixStream};

    use policy_client::Connection;

    use super::*;

    #[test]
    fn replies_are_read_as_postfix_reads_them() -> Result<(), Box<dyn Error>> {
        let action = |text: &str| Got::Action(text.to_owned());
        let rows: [(&[u8], Got); 9] = [
            (b"action=a b\n\naction=c\n\n", action("a b")),
            (b"x=y\naction=a\n\n", action("a")),
            (b"220 hello\r\naction=a\n\n", action("a")),
            (b"action=a\r\n\r\n", Got::Silence),
            (b"action=a\n", Got::Silence),
            (b"\n", Got::NoAction),
            (b"action=a\naction=b\n\n", action("a")),
            (b"action=\n\n", action("")),
            (b"action=a\r\n\n", action("a\r")),
        ];
        let runtime = Builder::new_current_thread().enable_all().build()?;
        for (bytes, wanted) in rows {
            let (near, mut far) = UnixStream::pair()?;
            far.write_all(bytes)?;
            let answer = runtime.block_on(async {
                let mut connection = Connection::over(near).map_err(Failure::Connect)?;
                connection.answer(Duration::from_millis(20)).await
            });
            assert_eq!(Got::from(answer), wanted, "{}", bytes.escape_ascii());
        }
        Ok(())
    }
}
