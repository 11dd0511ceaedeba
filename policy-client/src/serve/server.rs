//! The server that `serve` plays: what it does on each connection.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::BytesMut;
use policy_daemon::log::{escaped, printable};
use policy_net::{Clients, Connection, Drain};
use policy_proto::{Request, attr};
use serde_json::Value;
use socket2::SockRef;
use tokio::time::sleep;

use super::script::{Manner, Script, Turn};
use crate::{output::Lines, status::Status, status::note::complain};

/// What is done, and whether it is told.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) script: Script,
    /// Each answer is the last one of its connection.
    pub(super) closes: bool,
    pub(super) logs: bool,
    pub(super) lines: Mutex<Lines>,
}

impl Server {
    pub(super) async fn connection(self: Arc<Self>, io: policy_net::Stream, drain: Drain) {
        // A connection sends an answer as one piece; what drips goes past it.
        let direct = if self.script.has(Manner::Drip) {
            match io.as_fd().try_clone_to_owned() {
                Ok(direct) => Some(direct),
                Err(error) => {
                    complain(&format!("closing a connection: {error}"));
                    return;
                }
            }
        } else {
            None
        };
        let mut connection = Connection::new(io, Clients::default());
        loop {
            let request = match connection.request(drain.begun()).await {
                Ok(Some(request)) => request,
                Ok(None) => return,
                Err(error) => {
                    if self.logs {
                        self.print(&printable(format!("closing a connection: {error}")));
                    }
                    return;
                }
            };
            if self.logs {
                self.print(&describe(&request));
            }
            let turn = self.script.turn(&request);
            if !turn.delay.is_zero() || turn.manner == Manner::Hang {
                tokio::select! {
                    () = wait(&turn, &drain) => {}
                    () = connection.gone() => return,
                }
            }
            let mut answer = BytesMut::new();
            turn.action.encode(&mut answer);
            let written = match turn.manner {
                Manner::Hang | Manner::Close => return,
                Manner::Reset => return reset(connection),
                Manner::Garbage => connection.write(b"220 hello\n").await,
                Manner::Answer => connection.write(&answer).await,
                Manner::Newline => connection.write(&[&answer[..], b"\n"].concat()).await,
                Manner::Drip => drip(&mut connection, direct.as_ref(), &answer).await,
                Manner::Half => {
                    // An error says that it has gone already.
                    _ = connection.write(answer.split_at(answer.len() / 2).0).await;
                    return;
                }
            };
            if written.is_err() || self.closes {
                return;
            }
        }
    }
}

impl Server {
    /// A line on standard output.
    pub(super) fn print(&self, line: &str) {
        self.lines().line(line.as_bytes(), || Value::Null);
    }

    /// Success, or that standard output has failed.
    pub(super) fn status(&self) -> Status {
        self.lines().status()
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        // A panic under the lock leaves nothing half done.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn wait(turn: &Turn<'_>, drain: &Drain) {
    if !turn.delay.is_zero() {
        sleep(turn.delay).await;
    }
    if turn.manner == Manner::Hang {
        drain.begun().await;
    }
}

/// Sends all but the last byte slowly, and the last one as the answer.
async fn drip(
    connection: &mut Connection<policy_net::Stream>,
    direct: Option<&OwnedFd>,
    answer: &[u8],
) -> io::Result<()> {
    let (Some(direct), Some((last, head))) = (direct, answer.split_last()) else {
        return connection.write(answer).await;
    };
    for byte in head {
        // There is always room for these few, or else the client reads nothing.
        rustix::io::write(direct, &[*byte])?;
        tokio::select! {
            () = sleep(DRIP) => {}
            () = connection.gone() => return Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
    connection.write(&[*last]).await
}

/// Ends a connection with a reset. A UNIX socket knows none, and is closed.
fn reset(connection: Connection<policy_net::Stream>) {
    let io = connection.into_inner();
    // An error says that the client was first.
    _ = SockRef::from(&io).set_linger(Some(Duration::ZERO));
}

/// A request in one line: what tells requests apart, each value without a blank.
fn describe(request: &Request) -> String {
    let names = [
        attr::PROTOCOL_STATE,
        attr::INSTANCE,
        attr::CLIENT_ADDRESS,
        attr::HELO_NAME,
        attr::SENDER,
        attr::RECIPIENT,
        attr::RECIPIENT_COUNT,
    ];
    let shown = names.map(|name| {
        let value = request.get(name).unwrap_or_default();
        let value = escaped(value, MAX_VALUE, |c| c.is_whitespace() || c == '\\');
        format!("{name}={value}")
    });
    shown.join(" ")
}

/// The longest value in a line, in bytes.
const MAX_VALUE: usize = 1024;
/// Between the bytes of an answer that drips.
const DRIP: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write as _},
        net::Shutdown,
        os::unix::net::UnixStream,
    };

    use super::{super::tests::server, *};

    /// On a runtime without a clock: who sleeps there panics.
    #[test]
    fn without_a_delay_an_answer_takes_no_timer() {
        let (mut near, far) = UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        let request = b"request=smtpd_access_policy\n\n";
        near.write_all(&request.repeat(3)).unwrap();
        near.shutdown(Shutdown::Write).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let io = policy_net::UnixStream::from_std(far).unwrap();
            let io = policy_net::Stream::Unix(io);
            Arc::new(server(&[])).connection(io, Drain::default()).await;
        });
        let mut replies = String::new();
        near.read_to_string(&mut replies).unwrap();
        assert_eq!(replies, "action=dunno\n\n".repeat(3));
    }
}
