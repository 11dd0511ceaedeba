//! Decoders beside ours. Each takes a stream of requests in pieces, as over a warm connection, and counts what it
//! has found, so that nothing can be optimised away and all can be checked.
//!
//! Httparse, the naive split and the floors keep no place: with each piece they begin again at the request's first byte.

use std::{
    cell::{Cell, RefCell},
    hint::black_box,
    io::{self, Read, Write},
    mem::MaybeUninit,
};

use bytes::{Buf, BytesMut};
use memchr::memchr_iter;
use postfix_policy::{PolicyRequestHandler, PolicyResponse, handle_connection};

use crate::{ours, samples::Pieces};

/// One decoder.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its name in tables.
    pub name: &'static str,
    /// Whether it reads the same fields as HTTP.
    pub reads_http: bool,
    /// How many requests it finds.
    pub decode: fn(Pieces<'_>) -> usize,
}

/// The one that the others are compared with.
pub const HTTPARSE: &str = "httparse";

/// Ours first. Httparse and the naive split make pairs of the fields, so a walk has to be added to ours for what
/// they do; `postfix_policy` answers, which cannot be left out.
pub const ALL: [Peer; 8] = [
    peer("policy-proto", |pieces| ours::arrive(pieces)),
    peer("policy-proto, a walk", |pieces| ours::walked(pieces)),
    peer("policy-proto, a walk and an answer", |pieces| {
        ours::answered(pieces)
    }),
    http(HTTPARSE, |pieces| each_piece(pieces, httparse)),
    http("httparse, headers not cleared", |pieces| {
        each_piece(pieces, httparse_uninit)
    }),
    peer("naive split", |pieces| each_piece(pieces, split)),
    peer("postfix_policy, with an answer", postfix_policy),
    // The floor: what arrival costs, and each line feed found.
    peer("line feeds found", |pieces| {
        each_piece(pieces, find_line_feeds)
    }),
];

/// The size of the pieces, for requests of this length.
pub type Size = fn(usize) -> usize;

/// How a stream is cut: a name, and the size of a piece for requests of this length.
pub const CUTS: [(&str, Size); 5] = [
    ("ten pipelined", |request| 10 * request),
    ("whole", |request| request),
    ("128 B", |_| 128),
    ("16 B", |_| 16),
    ("1 B", |_| 1),
];

const fn peer(name: &'static str, decode: fn(Pieces<'_>) -> usize) -> Peer {
    Peer {
        name,
        reads_http: false,
        decode,
    }
}

const fn http(name: &'static str, decode: fn(Pieces<'_>) -> usize) -> Peer {
    Peer {
        name,
        reads_http: true,
        decode,
    }
}

/// `find` tells how long the request at the beginning of the buffer is, once it is whole.
fn each_piece(pieces: Pieces<'_>, find: impl Fn(&[u8]) -> Option<usize>) -> usize {
    let mut buf = BytesMut::with_capacity(8192);
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

/// As its documentation shows it, with room for 64 headers.
fn httparse(buf: &[u8]) -> Option<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let status = request.parse(buf);
    black_box(&*request.headers);
    whole(status)
}

/// The room for the headers, three times as large as the request, is not cleared.
fn httparse_uninit(buf: &[u8]) -> Option<usize> {
    let mut headers = [const { MaybeUninit::uninit() }; 64];
    let mut request = httparse::Request::new(&mut []);
    let status = request.parse_with_uninit_headers(buf, &mut headers);
    black_box(&*request.headers);
    whole(status)
}

fn whole(status: httparse::Result<usize>) -> Option<usize> {
    match status.expect("valid HTTP") {
        httparse::Status::Complete(length) => Some(length),
        httparse::Status::Partial => None,
    }
}

/// As one would write it at first: split into lines, and each at its equal sign.
fn split(buf: &[u8]) -> Option<usize> {
    let end = buf.windows(2).position(|pair| pair == b"\n\n")?;
    for line in buf[..end].split(|byte| *byte == b'\n') {
        let equals = line
            .iter()
            .position(|byte| *byte == b'=')
            .expect("an equal sign");
        assert!(equals > 0 && !line.contains(&0), "an attribute");
        black_box((&line[..equals], &line[equals + 1..]));
    }
    Some(end + 2)
}

fn find_line_feeds(buf: &[u8]) -> Option<usize> {
    let mut begin = 0;
    for place in memchr_iter(b'\n', buf) {
        if black_box(place) == begin {
            return Some(place + 1);
        }
        begin = place + 1;
    }
    None
}

/// The crate `postfix_policy`: a connection in memory whose requests it hands to a handler, attribute by attribute.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{as_http, by_size, typical};

    #[test]
    fn all_find_each_request_however_it_arrives() {
        const REQUESTS: usize = 20;
        let samples = by_size().map(|(name, sample)| (name, sample.repeat(REQUESTS)));
        for (name, stream) in samples
            .into_iter()
            .take(3)
            .chain([("typical", typical(REQUESTS))])
        {
            let http = as_http(&stream);
            for (cut, size) in CUTS {
                for peer in ALL {
                    let stream = if peer.reads_http { &http } else { &stream };
                    let request = stream.len() / REQUESTS;
                    let found = (peer.decode)(Pieces::of(stream, request, size(request)));
                    assert_eq!(found, REQUESTS, "{}, {name}, {cut}", peer.name);
                }
            }
        }
    }
}
