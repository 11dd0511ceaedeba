//! The codecs: no more than the decoder, and at home in `Framed`.

use std::{io, iter};

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use policy_proto::{
    Action, ClientCodec, CodecError, Limits, MessageDecoder, Request, Response, ServerCodec,
};
use proptest::{collection::vec, prelude::*, sample::select};
use tokio::io::{AsyncWriteExt, duplex};
use tokio_util::codec::{Decoder as _, Framed};

use crate::support::{Flaw, drive};

#[tokio::test]
async fn a_client_and_a_server_talk_through_a_narrow_pipe() {
    // Three bytes at a time: nothing ever arrives whole.
    let (client, server) = duplex(3);
    let mut client = Framed::new(client, ClientCodec::default());
    let mut server = Framed::new(server, ServerCodec::default());
    let serving = tokio::spawn(async move {
        while let Some(request) = server.next().await {
            let sender = request.unwrap().get("sender").unwrap().to_vec();
            let answer = Response::try_from(Action::Reject(&sender)).unwrap();
            server.send(answer).await.unwrap();
        }
    });
    for sender in ["a@example.com", "b@example.com"] {
        client.send(request(sender)).await.unwrap();
        let response = client.next().await.unwrap().unwrap();
        assert_eq!(response.action(), Action::Reject(sender.as_bytes()));
    }
    drop(client);
    serving.await.unwrap();
}

#[tokio::test]
async fn a_server_learns_of_an_end_within_a_request() {
    let (mut client, server) = duplex(64);
    let mut server = Framed::new(server, ServerCodec::default());
    client.write_all(b"a=b\n").await.unwrap();
    drop(client);
    assert_eq!(flaw(server.next().await), Flaw::UnexpectedEnd);
}

#[tokio::test]
async fn a_client_learns_of_an_end_within_an_answer() {
    let (client, mut server) = duplex(64);
    let mut client = Framed::new(client, ClientCodec::default());
    server.write_all(b"action=ok").await.unwrap();
    drop(server);
    assert_eq!(flaw(client.next().await), Flaw::UnexpectedEnd);
}

#[tokio::test]
async fn a_client_takes_an_answer_that_ends_without_its_blank_line() {
    let (client, mut server) = duplex(64);
    let mut client = Framed::new(client, ClientCodec::default());
    server.write_all(b"action=ok\n").await.unwrap();
    drop(server);
    assert_eq!(client.next().await.unwrap().unwrap().as_str(), Some("ok"));
    assert!(client.next().await.is_none());
}

#[test]
fn requests_that_came_with_the_end_of_the_stream_are_whole() {
    let mut codec = ServerCodec::default();
    let mut buf = BytesMut::from("a=1\n\nb=2\n\n");
    let found = iter::from_fn(|| codec.decode_eof(&mut buf).unwrap());
    assert_eq!(found.count(), 2);
}

#[test]
fn responses_that_came_with_the_end_of_the_stream_are_whole() {
    let mut codec = ClientCodec::default();
    let mut buf = BytesMut::from("action=ok\n\naction=dunno\n");
    let found = iter::from_fn(|| codec.decode_eof(&mut buf).unwrap());
    let found: Vec<_> = found.map(|response| response.as_bytes().to_vec()).collect();
    assert_eq!(found, [&b"ok"[..], b"dunno"]);
}

#[test]
fn a_codec_keeps_the_limits_of_its_decoder() {
    let decoder = || MessageDecoder::new().with_limits(Limits::default().with_line(3));
    let mut buf = BytesMut::from("a=34\n");
    let server = ServerCodec::from(decoder()).decode(&mut buf);
    let client = ClientCodec::from(decoder()).decode(&mut buf);
    let too_long = Flaw::LineTooLong { limit: 3 };
    assert_eq!(flaw(server.transpose()), too_long);
    assert_eq!(flaw(client.transpose()), too_long);
}

#[test]
fn a_codec_keeps_the_leniency_of_its_decoder() {
    let mut codec = ServerCodec::from(MessageDecoder::new().lenient());
    let request = codec
        .decode(&mut BytesMut::from("bad\na=1\n\n"))
        .unwrap()
        .unwrap();
    assert_eq!(request.as_bytes(), b"a=1\n\n");
}

#[test]
fn an_error_of_the_connection_says_what_it_is() {
    let error = CodecError::from(io::Error::from(io::ErrorKind::BrokenPipe));
    assert_eq!(error.to_string(), "broken pipe");
}

proptest! {
    #[test]
    fn codecs_find_what_the_decoder_finds(stream in stream(), cuts in vec(any::<usize>(), 0..6)) {
        let pieces = drive::cut(&stream, &cuts);
        let requests = drive::requests(MessageDecoder::new(), pieces.iter().copied());
        let responses = drive::responses(MessageDecoder::new(), pieces.iter().copied());
        let by_server = all(ServerCodec::default(), &pieces, |item| item.as_bytes().to_vec());
        let by_client = all(ClientCodec::default(), &pieces, |item| item.as_bytes().to_vec());
        prop_assert_eq!(by_server, (requests.messages, requests.end));
        prop_assert_eq!(by_client, (responses.messages, responses.end));
    }
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let parts = [
        &b"a=b\n"[..],
        b"\n",
        b"\r\n",
        b"action=ok\n",
        b"action=",
        b"bad\n",
        b"a",
        b"=",
        b"\0",
    ];
    vec(select(parts.to_vec()), 0..10).prop_map(|parts| parts.concat())
}

/// All that a codec decodes as pieces arrive and the stream ends, as `Framed` would ask it.
fn all<C: tokio_util::codec::Decoder<Error = CodecError>>(
    mut codec: C,
    pieces: &[&[u8]],
    bytes: impl Fn(C::Item) -> Vec<u8>,
) -> (Vec<Vec<u8>>, Result<(), Flaw>) {
    let mut buf = BytesMut::new();
    let mut items = Vec::new();
    for (piece, end) in pieces
        .iter()
        .map(|piece| (*piece, false))
        .chain([(&b""[..], true)])
    {
        buf.extend_from_slice(piece);
        loop {
            let next = if end {
                codec.decode_eof(&mut buf)
            } else {
                codec.decode(&mut buf)
            };
            match next {
                Ok(Some(item)) => items.push(bytes(item)),
                Ok(None) => break,
                error => return (items, Err(flaw(error.transpose()))),
            }
        }
    }
    (items, Ok(()))
}

fn flaw<T>(next: Option<Result<T, CodecError>>) -> Flaw {
    match next {
        Some(Err(CodecError::Decode(error))) => error.into(),
        Some(Err(error)) => panic!("another error: {error}"),
        Some(Ok(_)) => panic!("no error"),
        None => panic!("the end"),
    }
}

fn request(sender: &str) -> Request {
    Request::from_attributes([("request", "smtpd_access_policy"), ("sender", sender)]).unwrap()
}
