//! The codecs in `Framed`, over a connection that cuts and stalls as the input says: what is read is
//! what the decoder finds in the whole stream, and what is written arrives whole and in order.
//!
//! The first eight bytes are the connection's script; the next four choose the way, as for the
//! decoders.

#![no_main]

mod scripted_io;
#[allow(dead_code, reason = "each target uses its own part")]
mod support;
mod way;

use std::io;

use futures_util::{SinkExt, StreamExt};
use libfuzzer_sys::fuzz_target;
use policy_proto::{ClientCodec, CodecError, Request, Response, ServerCodec};
use scripted_io::{ScriptedIo, run};
use support::{Flaw, Outcome, drive};
use tokio_util::codec::{Decoder, Encoder, Framed};
use way::Way;

fuzz_target!(|input: &[u8]| {
    let Some((&script, input)) = input.split_first_chunk() else {
        return;
    };
    let Some(way) = Way::of(input) else {
        return;
    };
    let breaks = way.cuts & 1 != 0;
    let io = || ScriptedIo::new(&way.stream, breaks, script);

    let whole = drive::requests(way.decoder(), [&way.stream[..]]);
    check(io(), ServerCodec::from(way.decoder()), whole, answer);
    let whole = drive::responses(way.decoder(), [&way.stream[..]]);
    check(io(), ClientCodec::from(way.decoder()), whole, ask);
});

/// What is sent upon each message that is read.
struct Reply<T> {
    /// The message that was read.
    read: Vec<u8>,
    item: T,
    /// The item on the wire.
    wire: Vec<u8>,
}

fn answer(request: Request) -> Reply<Response> {
    let (_, value) = request.attributes().next().unwrap();
    let text = [b"REJECT ", value].concat();
    Reply {
        read: request.as_bytes().to_vec(),
        wire: [b"action=", &text[..], b"\n\n"].concat(),
        item: Response::new(text).unwrap(),
    }
}

fn ask(response: Response) -> Reply<Request> {
    let text = response.as_bytes();
    Reply {
        read: text.to_vec(),
        wire: [b"answer=", text, b"\n\n"].concat(),
        item: Request::from_attributes([("answer", text)]).unwrap(),
    }
}

fn check<C, T>(io: ScriptedIo<'_>, codec: C, whole: Outcome, reply: impl Fn(C::Item) -> Reply<T>)
where
    C: Decoder<Error = CodecError> + Encoder<T, Error = CodecError>,
{
    let breaks = io.breaks;
    let mut framed = Framed::new(io, codec);
    // Small, so that `feed` has to write, and finds the connection stalled.
    framed.set_backpressure_boundary(64);
    let (mut read, mut wire) = (Vec::new(), Vec::new());
    let end = run(async {
        while let Some(item) = framed.next().await {
            let reply = reply(item?);
            read.push(reply.read);
            wire.extend(reply.wire);
            framed.feed(reply.item).await.unwrap();
        }
        Ok::<_, CodecError>(())
    });
    run(framed.flush()).unwrap();

    assert_eq!(read, whole.messages);
    assert_eq!(framed.get_ref().written, wire);
    match (end, whole.end) {
        // The decoder never learns that the stream has ended.
        (Err(CodecError::Io(error)), Ok(()) | Err(Flaw::UnexpectedEnd)) => {
            assert!(breaks);
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        (Err(CodecError::Decode(error)), expected) => {
            let error = Flaw::from(error);
            assert_eq!(Err(error), expected);
            assert!(!breaks || error != Flaw::UnexpectedEnd);
        }
        (end, expected) => assert!(end.is_ok() && expected.is_ok() && !breaks, "{end:?}"),
    }
}
