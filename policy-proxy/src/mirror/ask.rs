//! One question after the other over a connection to a mirror, with sockets that wait: on a thread of its own.

use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use policy_proto::{MessageDecoder, Response};
use policy_socket::Endpoint;
use socket2::Socket;

use crate::blocking::{left, open};

/// A connection, which is kept as long as answers come whole.
#[derive(Debug, Default)]
pub(super) struct Connection {
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    socket: Socket,
    since: Instant,
}

impl Connection {
    /// The answer to this request, within this time. A kept connection that turns out to be closed is replaced once.
    pub(super) fn ask(
        &mut self,
        endpoint: &Endpoint,
        request: &[u8],
        timeout: Duration,
    ) -> io::Result<Response> {
        let end = Instant::now() + timeout;
        if let Some(kept) = self.kept.take().filter(|kept| kept.since.elapsed() < KEEP) {
            match self.ask_over(kept.socket, request, end) {
                Err(error) if is_closed(&error) => {}
                done => return done,
            }
        }
        self.ask_over(open(endpoint, end)?, request, end)
    }

    fn ask_over(
        &mut self,
        mut socket: Socket,
        request: &[u8],
        end: Instant,
    ) -> io::Result<Response> {
        socket.set_write_timeout(Some(left(end)?))?;
        socket.write_all(request)?;
        let mut decoder = MessageDecoder::new();
        let mut received = BytesMut::new();
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let mut answer = None;
        loop {
            if answer.is_none() {
                answer = decoder.response(&mut received).map_err(invalid)?;
            }
            // The connection can be used again once the answer's blank line has come.
            if let Some(found) = &answer
                && decoder.skip_rest(&mut received).map_err(invalid)?
            {
                if received.is_empty() {
                    let since = Instant::now();
                    self.kept = Some(Kept { socket, since });
                }
                return Ok(found.clone());
            }
            let mut part = [0; 1024];
            socket.set_read_timeout(Some(left(end)?))?;
            match (socket.read(&mut part), &answer) {
                (Ok(0), Some(answer)) => return Ok(answer.clone()),
                (Ok(0), None) => return Err(io::ErrorKind::UnexpectedEof.into()),
                (Ok(count), _) => received.extend_from_slice(part.get(..count).unwrap_or_default()),
                (Err(error), _) if error.kind() == io::ErrorKind::Interrupted => {}
                (Err(error), _) => return Err(error),
            }
        }
    }
}

/// Whether the peer has closed the connection, as servers do with one that was idle.
fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

/// Below the idle limits of the common policy servers.
const KEEP: Duration = Duration::from_secs(60);
