//! Responses: any cuts are as good as none, the naive decoder agrees, skipping what follows an answer
//! changes nothing, and what was decoded decodes to itself.

#![no_main]

#[allow(dead_code, reason = "each target uses its own part")]
mod support;
mod way;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use policy_proto::{MessageDecoder, Response};
use support::{Flaw, drive, naive};
use way::Way;

fuzz_target!(|input: &[u8]| {
    let Some(way) = Way::of(input) else {
        return;
    };
    let expected = naive::responses(&way.stream, way.limits);
    for pieces in way.all_cuts() {
        let skipping = skip_after_each(way.decoder(), &pieces);
        assert_eq!(drive::responses(way.decoder(), pieces), expected);
        assert_eq!(skipping, (expected.messages.clone(), expected.end));
    }
    for text in expected.messages {
        check_response(text);
    }
});

/// All responses, the rest of each skipped before the next one is asked for.
fn skip_after_each(
    mut decoder: MessageDecoder,
    pieces: &[&[u8]],
) -> (Vec<Vec<u8>>, Result<(), Flaw>) {
    let mut buf = BytesMut::new();
    let mut texts = Vec::new();
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match decoder.skip_rest(&mut buf) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return (texts, Err(error.into())),
            }
            match decoder.response(&mut buf) {
                Ok(Some(response)) => texts.push(response.as_bytes().to_vec()),
                Ok(None) => break,
                Err(error) => return (texts, Err(error.into())),
            }
        }
    }
    (texts, decoder.finish(&buf).map_err(Flaw::from))
}

fn check_response(text: Vec<u8>) {
    let response = Response::new(text).unwrap();
    let mut buf = BytesMut::new();
    response.encode(&mut buf);
    let mut decoder = MessageDecoder::new();
    assert_eq!(decoder.response(&mut buf), Ok(Some(response)));
    assert_eq!(decoder.skip_rest(&mut buf), Ok(true));
    assert!(buf.is_empty(), "something is left: {buf:?}");
}
