//! Actions: a naive reader agrees, what is written is read as it was, and whatever text an action is
//! built of, it makes one response or none.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use policy_proto::{Action, MessageDecoder, Response};

fuzz_target!(|text: &[u8]| {
    let action = Action::parse(text);
    assert_eq!(parts(action), naive_parts(text));

    if let Ok(response) = Response::new(text.to_vec()) {
        assert_eq!(response.as_bytes(), text);
        assert_eq!(response.action(), action);
        check_response(&response);
        let written = Response::try_from(action).is_ok();
        assert_eq!(written, is_complete(action), "read, but not written");
    } else {
        let white = text.iter().all(|byte| b" \t\x0b\x0c".contains(byte));
        let control = text.iter().any(|byte| b"\0\r\n".contains(byte));
        assert!(
            white || control || text.len() > 16_000,
            "refused for nothing"
        );
    }
    if let Ok(response) = Response::try_from(action) {
        assert_eq!(response.action(), action);
    }
    for action in actions(text) {
        if let Ok(response) = Response::try_from(action) {
            check_response(&response);
        }
    }
});

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

/// On the wire it is itself, and nothing more.
fn check_response(response: &Response) {
    let mut buf = BytesMut::new();
    response.encode(&mut buf);
    let mut decoder = MessageDecoder::new();
    assert_eq!(decoder.response(&mut buf).unwrap().as_ref(), Some(response));
    assert_eq!(decoder.skip_rest(&mut buf), Ok(true));
    assert!(buf.is_empty(), "something is left: {buf:?}");
}

/// The command as access(5) has it, and its text; an empty command for what is none.
fn naive_parts(text: &[u8]) -> (String, &[u8]) {
    let word_end = text.iter().position(|byte| b" \t".contains(byte));
    let (word, rest) = text.split_at(word_end.unwrap_or(text.len()));
    let white = rest.iter().take_while(|byte| b" \t\x0b\x0c".contains(byte));
    let rest = &rest[white.count()..];
    let word = String::from_utf8_lossy(word).to_ascii_uppercase();
    match word.as_str() {
        "OK" | "RELAY" | "DUNNO" => (word, b""),
        "REJECT" | "DEFER" | "DEFER_IF_PERMIT" | "DEFER_IF_REJECT" | "DISCARD" | "HOLD"
        | "INFO" | "WARN" | "FILTER" | "PREPEND" | "REDIRECT" | "BCC" => (word, rest),
        _ if !text.is_empty() && text.iter().all(u8::is_ascii_digit) => ("OK".to_owned(), b""),
        _ => match word.parse() {
            Ok(400..=599_u16) if !word.starts_with(['0', '+']) && !rest.is_empty() => (word, rest),
            _ => (String::new(), text),
        },
    }
}

fn parts(action: Action<'_>) -> (String, &[u8]) {
    let (word, text): (&str, &[u8]) = match action {
        Action::Ok => ("OK", b""),
        Action::Relay => ("RELAY", b""),
        Action::Dunno => ("DUNNO", b""),
        Action::Reject(text) => ("REJECT", text),
        Action::Defer(text) => ("DEFER", text),
        Action::DeferIfPermit(text) => ("DEFER_IF_PERMIT", text),
        Action::DeferIfReject(text) => ("DEFER_IF_REJECT", text),
        Action::Status { code, text } => return (code.to_string(), text),
        Action::Discard(text) => ("DISCARD", text),
        Action::Hold(text) => ("HOLD", text),
        Action::Info(text) => ("INFO", text),
        Action::Warn(text) => ("WARN", text),
        Action::Filter(text) => ("FILTER", text),
        Action::Prepend(text) => ("PREPEND", text),
        Action::Redirect(text) => ("REDIRECT", text),
        Action::Bcc(text) => ("BCC", text),
        Action::Other(text) => ("", text),
        _ => unreachable!("an action that is not known here: {action:?}"),
    };
    (word.to_owned(), text)
}

/// One action of each form with this text, as a careless server might build it.
fn actions(text: &[u8]) -> [Action<'_>; 5] {
    let code = text.iter().fold(0, |code: u16, byte| {
        code.wrapping_mul(10).wrapping_add(u16::from(*byte & 15))
    });
    [
        Action::Dunno,
        Action::Reject(text),
        Action::Status { code, text },
        Action::Status { code: 450, text },
        Action::Other(text),
    ]
}
