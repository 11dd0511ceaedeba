//! What our decoder is compared with. Each goes through a stream of whole requests and tells what it
//! has counted, so that none can be optimised away and each can be checked.

use std::{
    cell::Cell,
    hint::black_box,
    io::{self, Read, Write},
    mem::MaybeUninit,
};

use memchr::memchr_iter;
use postfix_policy::{PolicyRequestHandler, PolicyResponse, handle_connection};

/// The floor: the line feeds are counted, and nobody asks where they are.
#[must_use]
pub fn count_newlines(stream: &[u8]) -> usize {
    memchr_iter(b'\n', stream).count()
}

/// Another floor: each line feed is found, one after the other.
#[must_use]
pub fn find_newlines(stream: &[u8]) -> usize {
    let mut lines = 0;
    for place in memchr_iter(b'\n', stream) {
        black_box(place);
        lines += 1;
    }
    lines
}

/// Httparse over the same fields as HTTP, as its documentation shows it, with room for 64 headers. The
/// fields.
///
/// # Panics
///
/// If a request is not valid.
#[must_use]
pub fn httparse(http: &[u8]) -> usize {
    each_http(http, |http| {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let status = request.parse(http);
        (status, black_box(&*request.headers).len())
    })
}

/// The same by its cheapest door: the room for the headers, three times as large as the request, is
/// not cleared. The fields.
///
/// # Panics
///
/// If a request is not valid.
#[must_use]
pub fn httparse_uninit(http: &[u8]) -> usize {
    each_http(http, |http| {
        let mut headers = [const { MaybeUninit::uninit() }; 64];
        let mut request = httparse::Request::new(&mut []);
        let status = request.parse_with_uninit_headers(http, &mut headers);
        (status, black_box(&*request.headers).len())
    })
}

#[inline]
fn each_http(mut http: &[u8], parse: impl Fn(&[u8]) -> (Parsed, usize)) -> usize {
    let mut fields = 0;
    while !http.is_empty() {
        let (status, headers) = parse(http);
        fields += headers;
        http = &http[status.expect("valid HTTP").unwrap()..];
    }
    fields
}

type Parsed = httparse::Result<usize>;

/// As one would write it at first: split into lines, and each at its equal sign. The attributes.
///
/// # Panics
///
/// If a line is no attribute.
#[must_use]
pub fn split(stream: &[u8]) -> usize {
    let mut attributes = 0;
    for line in stream.split(|byte| *byte == b'\n') {
        if line.is_empty() {
            continue;
        }
        let equals = line.iter().position(|byte| *byte == b'=');
        let equals = equals.expect("an equal sign");
        assert!(equals > 0 && !line.contains(&0), "an attribute");
        black_box((&line[..equals], &line[equals + 1..]));
        attributes += 1;
    }
    attributes
}

/// The crate `postfix_policy` through its public door: a connection in memory whose requests it hands
/// to a handler, attribute by attribute, and answers. The attributes.
///
/// It answers as well, and that cannot be left out; the answer goes nowhere.
///
/// # Panics
///
/// If a request is not valid.
#[must_use]
pub fn postfix_policy(stream: &[u8]) -> usize {
    let socket = Socket {
        unread: Cell::new(stream),
    };
    let attributes = Cell::new(0);
    let handled = handle_connection::<Handler<'_>, _, (), _>(&socket, &attributes);
    handled.expect("valid requests");
    attributes.get()
}

struct Handler<'a> {
    attributes: &'a Cell<usize>,
}

impl<'a> PolicyRequestHandler<'a, Cell<usize>, ()> for Handler<'a> {
    fn new(attributes: &'a Cell<usize>) -> Self {
        Self { attributes }
    }

    fn attribute(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        black_box((name, value));
        self.attributes.set(self.attributes.get() + 1);
        None
    }

    fn response(self) -> Result<PolicyResponse, ()> {
        Ok(PolicyResponse::Dunno)
    }
}

struct Socket<'a> {
    unread: Cell<&'a [u8]>,
}

impl Read for &Socket<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut unread = self.unread.get();
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
    use bytes::BytesMut;

    use super::*;
    use crate::{ours, samples};

    #[test]
    fn all_read_the_same_attributes() {
        for (name, sample) in samples::by_size() {
            let stream = sample.repeat(3);
            let attributes = ours::decode_and_walk(&mut BytesMut::from(&stream[..]));
            assert_eq!(split(&stream), attributes, "{name}");
            assert_eq!(postfix_policy(&stream), attributes, "{name}");
            for parse in [httparse, httparse_uninit] {
                assert_eq!(parse(&samples::as_http(&stream)), attributes, "{name}");
            }
            for floor in [count_newlines, find_newlines] {
                assert_eq!(floor(&stream), attributes + 3, "{name}");
            }
        }
    }
}
