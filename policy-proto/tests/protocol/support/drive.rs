//! The real decoder on a stream that arrives in pieces.

use bytes::BytesMut;
use policy_proto::{DecodeError, MessageDecoder};

use super::{Flaw, Outcome};

/// What a decoder makes of requests that arrive in these pieces.
pub(crate) fn requests<'a>(
    mut decoder: MessageDecoder,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Outcome {
    let (mut kept, mut more) = (Vec::new(), 0);
    let (messages, end) = all(&mut decoder, pieces, |decoder, buf| {
        let request = decoder.request(buf);
        let ignored = decoder.take_skipped();
        kept.extend(ignored.lines.into_iter().map(Vec::from));
        more += ignored.more;
        Ok(request?.map(|request| request.as_bytes().to_vec()))
    });
    Outcome {
        messages,
        ignored: (kept, more),
        end,
    }
}

/// What a decoder makes of responses that arrive in these pieces.
pub(crate) fn responses<'a>(
    mut decoder: MessageDecoder,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Outcome {
    let (messages, end) = all(&mut decoder, pieces, |decoder, buf| {
        Ok(decoder
            .response(buf)?
            .map(|response| response.as_bytes().to_vec()))
    });
    Outcome {
        messages,
        ignored: Default::default(),
        end,
    }
}

/// A stream in all the ways that are worth a try for each: whole, byte by byte, in two at each place.
pub(crate) fn every_cut(stream: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let in_two = (1..stream.len()).map(|at| vec![&stream[..at], &stream[at..]]);
    [vec![stream], stream.chunks(1).collect()]
        .into_iter()
        .chain(in_two)
}

/// A stream cut at these places, which need not be in order, nor within it.
pub(crate) fn cut<'a>(stream: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = places.iter().map(|at| at % (stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| &stream[pair[0]..pair[1]])
        .collect()
}

fn all<'a, T>(
    decoder: &mut MessageDecoder,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    mut next: impl FnMut(&mut MessageDecoder, &mut BytesMut) -> Result<Option<T>, DecodeError>,
) -> (Vec<T>, Result<(), Flaw>) {
    let mut buf = BytesMut::new();
    let mut messages = Vec::new();
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match next(decoder, &mut buf) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Err(error.into())),
            }
        }
    }
    (messages, decoder.finish(&buf).map_err(Flaw::from))
}
