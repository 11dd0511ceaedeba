//! Our decoder, used as a connection uses it: one decoder, one buffer, each request dropped when it
//! has been looked at.

use std::hint::black_box;

use bytes::{BufMut, BytesMut};
use policy_proto::{MessageDecoder, Request, Response};

/// Decodes all that is in the buffer; how many requests.
pub fn decode(buf: &mut BytesMut) -> usize {
    decode_each(buf, |request| _ = black_box(request.as_bytes()))
}

/// A whole connection: the stream arrives in pieces, and each goes into the same buffer; how many requests.
pub fn arrive<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> usize {
    arrive_each(pieces, |request| _ = black_box(request.as_bytes()))
}

/// The same, with a walk over the attributes of each request.
pub fn walked<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> usize {
    arrive_each(pieces, |request| _ = black_box(walk(&request)))
}

/// The same, and an answer to each request.
pub fn answered<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> usize {
    let mut out = BytesMut::with_capacity(64);
    arrive_each(pieces, |request| {
        black_box(walk(&request));
        out.clear();
        Response::dunno().encode(black_box(&mut out));
    })
}

/// Appends a piece. `put_u8` takes a third of the time of `extend_from_slice`, which would count as the decoder's.
#[inline]
pub(crate) fn append(buf: &mut BytesMut, piece: &[u8]) {
    match piece {
        [byte] => buf.put_u8(*byte),
        _ => buf.extend_from_slice(piece),
    }
}

/// Looks at each attribute; how many.
#[must_use]
pub fn walk(request: &Request) -> usize {
    let attributes = request.attributes();
    attributes.map(|attribute| _ = black_box(attribute)).count()
}

/// The requests of this stream.
#[must_use]
pub fn requests(stream: &[u8]) -> Vec<Request> {
    let mut requests = Vec::new();
    decode_each(&mut BytesMut::from(stream), |request| {
        requests.push(request)
    });
    requests
}

#[inline]
fn arrive_each<'a>(pieces: impl Iterator<Item = &'a [u8]>, mut look: impl FnMut(Request)) -> usize {
    let mut decoder = MessageDecoder::new();
    let mut buf = BytesMut::with_capacity(8192);
    let mut requests = 0;
    for piece in pieces {
        append(&mut buf, piece);
        while let Some(request) = decoder.request(&mut buf).expect("valid requests") {
            look(request);
            requests += 1;
        }
    }
    requests
}

#[inline]
fn decode_each(buf: &mut BytesMut, mut look: impl FnMut(Request)) -> usize {
    let mut decoder = MessageDecoder::new();
    let mut requests = 0;
    while let Some(request) = decoder.request(buf).expect("valid requests") {
        look(request);
        requests += 1;
    }
    requests
}
