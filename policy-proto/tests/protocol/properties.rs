//! Laws of the codec, on bytes that are made to cause trouble.

use bytes::BytesMut;
use policy_proto::{Action, Limits, MessageDecoder, Request, Response, xtext};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{
    generators::{action, action_text, byte, limits, long_limits, long_stream, stream},
    support::{Flaw, drive, naive},
};

proptest! {
    // 1024, unless PROPTEST_CASES says another number than 256.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 4))]

    #[test]
    fn requests_are_those_of_the_naive_decoder_however_they_are_cut(
        stream in stream(),
        cuts in vec(any::<usize>(), 0..8),
        limits in limits(),
        lenient in any::<bool>(),
    ) {
        let expected = naive::requests(&stream, limits, lenient);
        for pieces in [drive::cut(&stream, &cuts), stream.chunks(1).collect(), vec![&stream]] {
            let decoder = MessageDecoder::new().with_limits(limits);
            let decoder = if lenient { decoder.lenient() } else { decoder };
            prop_assert_eq!(&drive::requests(decoder, pieces), &expected);
        }
    }

    #[test]
    fn requests_of_many_blocks_are_those_of_the_naive_decoder_however_they_are_cut(
        stream in long_stream(),
        cuts in vec(any::<usize>(), 0..8),
        limits in long_limits(),
        lenient in any::<bool>(),
    ) {
        let expected = naive::requests(&stream, limits, lenient);
        for pieces in [drive::cut(&stream, &cuts), stream.chunks(1).collect(), vec![&stream]] {
            let decoder = MessageDecoder::new().with_limits(limits);
            let decoder = if lenient { decoder.lenient() } else { decoder };
            prop_assert_eq!(&drive::requests(decoder, pieces), &expected);
        }
    }

    #[test]
    fn attributes_are_those_of_a_naive_split(stream in long_stream()) {
        let mut decoder = MessageDecoder::new().lenient();
        let mut buf = BytesMut::from(&stream[..]);
        while let Ok(Some(request)) = decoder.request(&mut buf) {
            let lines = request.as_bytes().split(|byte| *byte == b'\n');
            let pairs: Vec<_> = lines
                .filter_map(|line| line.iter().position(|byte| *byte == b'=').map(|at| line.split_at(at)))
                .map(|(name, value)| (name, &value[1..]))
                .collect();
            prop_assert_eq!(request.attributes().collect::<Vec<_>>(), pairs.clone());
            for (name, _) in &pairs {
                let first = pairs.iter().find(|(other, _)| other == name).map(|(_, value)| *value);
                prop_assert_eq!(request.get(name), first);
            }
        }
    }

    #[test]
    fn responses_are_those_of_the_naive_decoder_however_they_are_cut(
        stream in stream(),
        cuts in vec(any::<usize>(), 0..8),
        limits in limits(),
    ) {
        let expected = naive::responses(&stream, limits);
        for pieces in [drive::cut(&stream, &cuts), stream.chunks(1).collect(), vec![&stream]] {
            let decoder = MessageDecoder::new().with_limits(limits);
            prop_assert_eq!(&drive::responses(decoder, pieces), &expected);
        }
    }

    #[test]
    fn skipping_the_rest_or_asking_for_the_next_response_is_the_same(
        stream in stream(),
        cuts in vec(any::<usize>(), 0..8),
    ) {
        let mut decoder = MessageDecoder::new();
        let mut buf = BytesMut::new();
        let mut texts = Vec::new();
        let mut end = Ok(());
        for piece in drive::cut(&stream, &cuts) {
            buf.extend_from_slice(piece);
            while end.is_ok() {
                match decoder.skip_rest(&mut buf) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => end = Err(Flaw::from(error)),
                }
                match decoder.response(&mut buf) {
                    Ok(Some(response)) => texts.push(response.as_bytes().to_vec()),
                    Ok(None) => break,
                    Err(error) => end = Err(Flaw::from(error)),
                }
            }
        }
        let expected = naive::responses(&stream, Limits::default());
        prop_assert_eq!(texts, expected.messages);
        prop_assert_eq!(end.and_then(|()| decoder.finish(&buf).map_err(Flaw::from)), expected.end);
    }

    #[test]
    fn what_was_decoded_is_built_again_of_its_attributes(stream in stream()) {
        let mut decoder = MessageDecoder::new().lenient();
        let mut buf = BytesMut::from(&stream[..]);
        while let Ok(Some(request)) = decoder.request(&mut buf) {
            let built = Request::from_attributes(request.attributes());
            prop_assert_eq!(built, Ok(request));
        }
    }

    #[test]
    fn what_was_decoded_decodes_to_itself(stream in stream()) {
        let mut decoder = MessageDecoder::new().lenient();
        let mut buf = BytesMut::from(&stream[..]);
        while let Ok(Some(request)) = decoder.request(&mut buf) {
            prop_assert_eq!(only_request(&request), request);
        }
    }

    #[test]
    fn a_request_of_any_attributes_is_one_request(
        attributes in vec((vec(byte(), 0..4), vec(byte(), 0..6)), 0..4),
    ) {
        if let Ok(request) = Request::from_attributes(attributes.clone()) {
            prop_assert_eq!(&only_request(&request), &request);
            let found: Vec<_> = request.attributes().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
            prop_assert_eq!(found, attributes);
        }
    }

    #[test]
    fn attributes_are_refused_only_if_the_wire_could_not_carry_them(
        attributes in vec((vec(byte(), 0..4), vec(byte(), 0..6)), 0..4),
    ) {
        let lines = attributes.iter().map(|(name, value)| [name, &b"="[..], value, b"\n"].concat());
        let wire = [&lines.collect::<Vec<_>>().concat()[..], b"\n"].concat();
        let read: Vec<_> = wire
            .split(|byte| *byte == b'\n')
            .filter_map(|line| line.iter().position(|byte| *byte == b'=').map(|at| line.split_at(at)))
            .map(|(name, value)| (name.to_vec(), value[1..].to_vec()))
            .collect();
        let carried = read == attributes
            && naive::requests(&wire, Limits::default(), false).messages == [&wire[..]];
        prop_assert_eq!(Request::from_attributes(attributes).is_ok(), carried);
    }

    #[test]
    fn a_response_of_any_text_is_one_response(text in vec(byte(), 0..24)) {
        if let Ok(response) = Response::new(text.clone()) {
            prop_assert_eq!(response.as_bytes(), &text[..]);
            prop_assert_eq!(only_response(&response), response);
        }
    }

    #[test]
    fn a_text_is_refused_only_if_the_wire_could_not_carry_it(text in vec(byte(), 0..24)) {
        let wire = [b"action=", &text[..], b"\n\n"].concat();
        let carried = naive::responses(&wire, Limits::default());
        let carried = carried.messages == [text.as_slice()] && carried.end.is_ok();
        prop_assert_eq!(Response::new(text).is_ok(), carried);
    }

    #[test]
    fn a_response_of_any_action_is_one_response((kind, code, text) in (0..17_usize, any::<u16>(), vec(byte(), 0..12))) {
        if let Ok(response) = Response::try_from(action(kind, code, &text)) {
            prop_assert_eq!(only_response(&response), response);
        }
    }

    #[test]
    fn an_action_is_read_as_it_was_written(kind in 0..16_usize, code in 400..=599_u16, text in "[ -~]{0,16}") {
        // Blanks before a text belong to the command, and a code needs a text.
        let text = match text.trim_start() {
            "" if kind == 15 => "text",
            text => text,
        };
        let action = action(kind, code, text.as_bytes());
        let response = Response::try_from(action);
        prop_assert_eq!(response.is_ok(), is_complete(action));
        if let Ok(response) = response {
            prop_assert_eq!(response.action(), action);
        }
    }

    #[test]
    fn what_was_read_is_written_and_read_again_the_same(text in action_text()) {
        let action = Action::parse(&text);
        if Response::new(text.clone()).is_ok() && is_complete(action) {
            let response = Response::try_from(action).unwrap();
            prop_assert_eq!(response.action(), action);
        }
    }

    #[test]
    fn xtext_is_decoded_to_what_was_encoded(bytes in vec(any::<u8>(), 0..32)) {
        prop_assert_eq!(xtext::decode(&xtext::encode(&bytes)), Ok(bytes));
    }

    #[test]
    fn xtext_is_printable_and_can_be_the_value_of_an_attribute(bytes in vec(any::<u8>(), 0..32)) {
        let text = xtext::encode(&bytes);
        prop_assert!(text.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'='));
    }

    #[test]
    fn xtext_is_refused_where_two_digits_are_missing(text in vec(select(&b"+09afAFgG \xff"[..]), 0..12)) {
        // Each `+` and its two bytes are looked at apart: digits of one are never those of another.
        let mut at = 0;
        let mut missing = None;
        while at < text.len() && missing.is_none() {
            let digits = text.get(at + 1..at + 3);
            match (text[at], digits) {
                (b'+', Some(digits)) if digits.iter().all(u8::is_ascii_hexdigit) => at += 3,
                (b'+', _) => missing = Some(at),
                _ => at += 1,
            }
        }
        prop_assert_eq!(xtext::decode(&text).map_err(|error| error.offset).err(), missing);
    }
}

/// The one request that these bytes hold, and nothing behind it.
fn only_request(request: &Request) -> Request {
    let mut decoder = MessageDecoder::new();
    let mut buf = BytesMut::from(request.as_bytes());
    let found = decoder.request(&mut buf).unwrap().unwrap();
    assert!(buf.is_empty(), "left: {buf:?}");
    found
}

/// The one response that this is on the wire, and nothing behind it.
fn only_response(response: &Response) -> Response {
    let mut decoder = MessageDecoder::new();
    let mut buf = BytesMut::new();
    response.encode(&mut buf);
    let found = decoder.response(&mut buf).unwrap().unwrap();
    assert_eq!(decoder.skip_rest(&mut buf), Ok(true));
    assert!(buf.is_empty(), "left: {buf:?}");
    found
}

/// Whether an action has what Postfix needs of it.
fn is_complete(action: Action<'_>) -> bool {
    match action {
        Action::Filter(text) => text.contains(&b':'),
        Action::Redirect(text) | Action::Bcc(text) => text.contains(&b'@'),
        Action::Prepend(text) => text
            .iter()
            .position(|byte| *byte == b':')
            .is_some_and(|end| {
                let blank = text[..end]
                    .iter()
                    .rev()
                    .take_while(|byte| b" \t".contains(byte));
                let name = &text[..end - blank.count()];
                !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
            }),
        _ => true,
    }
}
