//! Requests: any cuts are as good as none, the naive decoder agrees, and what was decoded decodes to
//! itself.
//!
//! The first four bytes choose the way; the rest is the stream. A captured request is a seed as it
//! is: without `requ` it is still a request.

#![no_main]

#[path = "../../policy-proto/tests/support/mod.rs"]
mod support;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use policy_proto::{Decoder, Limits, Request};
use support::{drive, naive};

fuzz_target!(|input: &[u8]| {
    let Some((&[way, line, message, cuts], stream)) = input.split_first_chunk() else {
        return;
    };
    let lenient = way & 1 != 0;
    let limits = match way & 2 {
        // So small that inputs of a fuzzer's size reach them.
        0 => Limits::default()
            .with_line(usize::from(line % 32))
            .with_message(usize::from(message % 128)),
        _ => Limits::default(),
    };
    let decoder = || match lenient {
        true => Decoder::new().with_limits(limits).lenient(),
        false => Decoder::new().with_limits(limits),
    };

    let expected = naive::requests(stream, limits, lenient);
    assert_eq!(drive::requests(decoder(), [stream]), expected, "whole");
    assert_eq!(
        drive::requests(decoder(), stream.chunks(1)),
        expected,
        "byte by byte"
    );
    let pieces = pieces(stream, cuts);
    assert_eq!(drive::requests(decoder(), pieces), expected, "in pieces");

    for message in &expected.messages {
        let mut buf = BytesMut::from(&message[..]);
        let request = decoder().request(&mut buf).unwrap().unwrap();
        assert!(buf.is_empty(), "something is left of {request:?}");
        assert_eq!(request.as_bytes(), message);
        assert_eq!(
            Request::from_attributes(request.attributes()).as_ref(),
            Ok(&request)
        );
        for (name, _) in request.attributes() {
            assert!(request.get(name).is_some(), "{request:?} lost {name:?}");
        }
    }
});

/// The stream in pieces of all sizes from one byte to sixteen, in an order that the seed gives.
fn pieces(stream: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut state = u32::from(seed);
    let mut rest = stream;
    while !rest.is_empty() {
        // Numerical Recipes' generator; its high bits are good enough here.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = (state >> 28) as usize + 1;
        let (piece, tail) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}
