//! Requests that arrive in pieces, and what our decoder and its peers do then. Each goes through a
//! connection and tells how many requests it has found.
//!
//! Httparse and the naive split keep no place: they begin anew with what has come, each time that
//! something comes.

use std::{
    cell::{Cell, RefCell},
    hint::black_box,
    io::{self, Read, Write},
};

use bytes::{Buf, BytesMut};
use postfix_policy::{PolicyRequestHandler, PolicyResponse, handle_connection};

use crate::{ours, peers, samples::Pieces};

/// All of them by name.
pub const ALL: [(&str, Arrive); 4] = [
    (OURS, |pieces| ours::arrive(pieces)),
    (HTTPARSE, httparse),
    (SPLIT, split),
    (POSTFIX_POLICY, postfix_policy),
];

/// How the streams are cut.
pub const SIZES: [(&str, Size); 5] = [
    ("ten pipelined", |request| 10 * request),
    (WHOLE, |request| request),
    ("128 B", |_| 128),
    ("16 B", |_| 16),
    (BYTES, |_| 1),
];

/// How one of them goes through a connection.
pub type Arrive = fn(Pieces<'_>) -> usize;
/// The size of the pieces, for requests of this length.
pub type Size = fn(usize) -> usize;

/// The one that all is about.
pub const OURS: &str = "policy-proto";
/// Another parser, of the same fields as HTTP.
pub const HTTPARSE: &str = "httparse";
/// As one would write it at first.
pub const SPLIT: &str = "naive split";
/// The other crate for this protocol.
pub const POSTFIX_POLICY: &str = "postfix_policy";
/// A request in each piece.
pub const WHOLE: &str = "whole";
/// A byte in each piece.
pub const BYTES: &str = "1 B";

/// What arrival itself costs: all that is in the buffer goes each time that so many bytes are in it.
#[must_use]
pub fn undecoded(pieces: Pieces<'_>, bytes: usize) -> usize {
    let mut buf = BytesMut::with_capacity(ROOM);
    let mut count = 0;
    for piece in pieces {
        ours::append(&mut buf, black_box(piece));
        if buf.len() >= bytes {
            black_box(buf.split().freeze());
            count += 1;
        }
    }
    count
}

fn httparse(pieces: Pieces<'_>) -> usize {
    each_piece(pieces, |buf| {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let status = request.parse(buf).expect("valid HTTP");
        black_box(&*request.headers);
        match status {
            httparse::Status::Complete(length) => Some(length),
            httparse::Status::Partial => None,
        }
    })
}

fn split(pieces: Pieces<'_>) -> usize {
    each_piece(pieces, |buf| {
        let end = buf.windows(2).position(|pair| pair == b"\n\n")?;
        black_box(peers::split(&buf[..end]));
        Some(end + 2)
    })
}

/// `find` tells how long the request at the beginning of the buffer is, once it is whole.
fn each_piece(pieces: Pieces<'_>, find: impl Fn(&[u8]) -> Option<usize>) -> usize {
    let mut buf = BytesMut::with_capacity(ROOM);
    let mut requests = 0;
    for piece in pieces {
        ours::append(&mut buf, piece);
        while !buf.is_empty()
            && let Some(length) = find(&buf)
        {
            buf.advance(length);
            requests += 1;
        }
    }
    requests
}

/// It answers as well, and that cannot be left out.
fn postfix_policy(pieces: Pieces<'_>) -> usize {
    let socket = Socket {
        pieces: RefCell::new(pieces),
        unread: Cell::default(),
    };
    let requests = Cell::new(0);
    let handled = handle_connection::<Handler<'_>, _, (), _>(&socket, &requests);
    handled.expect("valid requests");
    requests.get()
}

struct Handler<'a> {
    requests: &'a Cell<usize>,
}

impl<'a> PolicyRequestHandler<'a, Cell<usize>, ()> for Handler<'a> {
    fn new(requests: &'a Cell<usize>) -> Self {
        Self { requests }
    }

    fn attribute(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        black_box((name, value));
        None
    }

    fn response(self) -> Result<PolicyResponse, ()> {
        self.requests.set(self.requests.get() + 1);
        Ok(PolicyResponse::Dunno)
    }
}

struct Socket<'a> {
    pieces: RefCell<Pieces<'a>>,
    unread: Cell<&'a [u8]>,
}

impl Read for &Socket<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut unread = self.unread.take();
        if unread.is_empty() {
            unread = self.pieces.borrow_mut().next().unwrap_or_default();
        }
        let length = unread.read(buf)?;
        self.unread.set(unread);
        Ok(length)
    }
}

impl Write for &Socket<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(black_box(buf).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a connection's buffer holds.
const ROOM: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{TYPICAL, as_http, typical};

    #[test]
    fn all_find_each_request_however_it_arrives() {
        const REQUESTS: usize = 20;
        let stream = typical(REQUESTS);
        let http = as_http(&stream);
        for (pieces, size) in SIZES {
            for (who, arrive) in ALL {
                let stream = if who == HTTPARSE { &http } else { &stream };
                let request = stream.len() / REQUESTS;
                let found = arrive(Pieces::of(stream, request, size(request)));
                assert_eq!(found, REQUESTS, "{who}, {pieces}");
            }
            let pieces = Pieces::of(&stream, TYPICAL, size(TYPICAL).min(TYPICAL));
            assert_eq!(undecoded(pieces, TYPICAL), REQUESTS);
        }
    }
}
