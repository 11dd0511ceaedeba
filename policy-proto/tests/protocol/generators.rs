//! Streams, limits and actions that are made to cause trouble, for the properties.

use policy_proto::{Action, Limits};
use proptest::{collection::vec, prelude::*, sample::select};

/// The bytes that mean something to the protocol, and a few that do not.
pub(super) fn byte() -> impl Strategy<Value = u8> {
    select(&b"ab=\n\r\0 \t\xff"[..])
}

/// Some bytes at random, and pieces of real messages, so that streams get far.
pub(super) fn stream() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&[u8]] = &[
        b"a=b\n",
        b"request=smtpd_access_policy\n",
        b"c=\r\n",
        b"\n",
        b"\n\n",
        b"\r\n",
        b"bad\n",
        b"action=ok\n",
        b"action=ok\n\n",
        b"action=ok\r\n",
        b"action=",
        b"action= \t\x0b\x0c\n",
        b"ACTION=ok\n",
    ];
    let piece = select(PIECES);
    let random = vec(byte(), 0..6);
    let part = prop_oneof![3 => piece.prop_map(<[u8]>::to_vec), 1 => random];
    vec(part, 0..12).prop_map(|parts| parts.concat())
}

/// Messages of several blocks of 64 bytes, mostly valid.
pub(super) fn long_stream() -> impl Strategy<Value = Vec<u8>> {
    let line = "[ab]{1,3}=[ab=]{0,70}\n".prop_map(String::into_bytes);
    let flawed = vec(byte(), 0..80);
    let blank = Just(b"\n".to_vec());
    // A value of several blocks, with a byte in it that may end it or forbid it.
    let long = (0..300_usize, byte(), 0..300_usize);
    let long = long.prop_map(|(before, byte, behind)| {
        let value = [&vec![b'v'; before][..], &[byte], &vec![b'v'; behind]];
        [b"long=", &value.concat()[..], b"\n"].concat()
    });
    let part = prop_oneof![24 => line, 1 => long, 1 => flawed, 6 => blank];
    vec(part, 0..40).prop_map(|parts| parts.concat())
}

/// Limits that such messages cross here and there.
pub(super) fn long_limits() -> impl Strategy<Value = Limits> {
    let near = (60..80_usize, 100..600_usize);
    let any = prop_oneof![1 => near, 1 => Just((16 * 1024, 128 * 1024))];
    any.prop_map(|(line, message)| Limits::default().with_line(line).with_message(message))
}

pub(super) fn limits() -> impl Strategy<Value = Limits> {
    let small = (0..24_usize, 0..48_usize);
    let any = prop_oneof![3 => small, 1 => Just((16 * 1024, 128 * 1024))];
    any.prop_map(|(line, message)| Limits::default().with_line(line).with_message(message))
}

/// Texts that begin like an action, and some that only look so.
pub(super) fn action_text() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: &[&str] = &[
        "ok",
        "Reject",
        "defer_if_permit",
        "450",
        "599",
        "600",
        "45",
        "filter",
    ];
    let word = prop_oneof![
        select(WORDS).prop_map(|word| word.as_bytes().to_vec()),
        vec(byte(), 0..6),
    ];
    (
        word,
        vec(select(&b" \t\x0b\x0c4a"[..]), 0..4),
        vec(byte(), 0..6),
    )
        .prop_map(|(word, blanks, rest)| [word, blanks, rest].concat())
}

/// The action of this number; the last two are the status and the rest.
pub(super) fn action(kind: usize, code: u16, text: &[u8]) -> Action<'_> {
    match kind {
        0 => Action::Ok,
        1 => Action::Relay,
        2 => Action::Dunno,
        3 => Action::Reject(text),
        4 => Action::Defer(text),
        5 => Action::DeferIfPermit(text),
        6 => Action::DeferIfReject(text),
        7 => Action::Discard(text),
        8 => Action::Hold(text),
        9 => Action::Info(text),
        10 => Action::Warn(text),
        11 => Action::Filter(text),
        12 => Action::Prepend(text),
        13 => Action::Redirect(text),
        14 => Action::Bcc(text),
        15 => Action::Status { code, text },
        _ => Action::Other(text),
    }
}
