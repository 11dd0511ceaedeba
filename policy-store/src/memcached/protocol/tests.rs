//! Replies as they come, and such as are none.

use super::*;

fn value(data: &[u8], unique: u64) -> Reply {
    Reply::Value {
        data: data.to_vec(),
        unique,
    }
}

#[test]
fn replies_are_read_however_they_come() {
    for (bytes, expect, reply) in [
        (&b"END\r\n"[..], Expect::Value(b"k"), Reply::End),
        (
            b"VALUE k 0 1 7\r\nx\r\nEND\r\n",
            Expect::Value(b"k"),
            value(b"x", 7),
        ),
        (
            b"VALUE k 0 0 7\r\n\r\nEND\r\n",
            Expect::Value(b"k"),
            value(b"", 7),
        ),
        (
            b"VALUE k 0 7 7\r\n\r\nEND\r\n\r\nEND\r\n",
            Expect::Value(b"k"),
            value(b"\r\nEND\r\n", 7),
        ),
        (b"STORED\r\n", Expect::Line, Reply::Stored),
        (b"NOT_STORED\r\n", Expect::Line, Reply::NotStored),
        (b"EXISTS\r\n", Expect::Line, Reply::Exists),
        (b"NOT_FOUND\r\n", Expect::Line, Reply::NotFound),
        (b"DELETED\r\n", Expect::Line, Reply::Deleted),
        (b"99 \r\n", Expect::Line, Reply::Number(99)),
    ] {
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut], expect).unwrap(), None);
        }
        let more = [bytes, b"more"].concat();
        assert_eq!(parse(&more, expect).unwrap(), Some((reply, bytes.len())));
    }
}

#[test]
fn what_answers_something_else_is_refused() {
    for (bytes, expect, error) in [
        (
            &b"VALUE j 0 1 7\r\nx\r\nEND\r\n"[..],
            Expect::Value(b"k"),
            "unexpected answer: VALUE",
        ),
        (
            b"VALUE kk 0 1 7\r\nx\r\nEND\r\n",
            Expect::Value(b"k"),
            "unexpected answer: VALUE",
        ),
        (
            b"VALUE k 0 1\r\nx\r\nEND\r\n",
            Expect::Value(b"k"),
            "unexpected answer: VALUE",
        ),
        (
            b"VALUE k 0 -1 7\r\nx\r\nEND\r\n",
            Expect::Value(b"k"),
            "unexpected answer: VALUE",
        ),
        (
            b"VALUE k 0 1 7\r\nxy\r\nEND\r\n",
            Expect::Value(b"k"),
            "unexpected answer: none of memcached's",
        ),
        (
            b"VALUE k 0 9999999 7\r\n",
            Expect::Value(b"k"),
            "9999999 bytes of a value, of which at most 1000000 are allowed",
        ),
        (
            b"STORED\r\n",
            Expect::Value(b"k"),
            "unexpected answer: STORED",
        ),
        (b"END\r\n", Expect::Line, "unexpected answer: END"),
        (b"END\n", Expect::Value(b"k"), "unexpected answer: END"),
        (b"ERROR\r\n", Expect::Line, "unexpected answer: ERROR"),
        (
            b"SERVER_ERROR out of memory storing object\r\n",
            Expect::Line,
            "SERVER_ERROR out of memory storing object",
        ),
        (
            b"CLIENT_ERROR bad data chunk\r\n",
            Expect::Line,
            "refused: CLIENT_ERROR bad data chunk",
        ),
        (
            b"99999999999999999999\r\n",
            Expect::Line,
            "unexpected answer: none of memcached's",
        ),
        (
            &[b'x'; 600],
            Expect::Line,
            "unexpected answer: none of memcached's",
        ),
    ] {
        assert_eq!(parse(bytes, expect).unwrap_err().to_string(), error);
    }
}

#[test]
fn no_error_holds_what_was_stored() {
    for (bytes, expect) in [
        (
            &b"VALUE k 0 2 7\r\nx GEHEIM geheim\r\nEND\r\n"[..],
            Expect::Value(b"k"),
        ),
        (b"VALUE GEHEIM 0 6 7\r\ngeheim\r\n", Expect::Value(b"k")),
        (b"VALUE geheim 0 6 7\r\ngeheim\r\n", Expect::Line),
        (b"GEHEIM is in geheim\r\n", Expect::Line),
        (b"STORED geheim\r\n", Expect::Line),
        (b"END_OF_GEHEIM\r\n", Expect::Value(b"k")),
    ] {
        let error = parse(bytes, expect).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(matches!(error, StoreError::Protocol(_)), "{shown}");
        assert!(!shown.to_lowercase().contains("geheim"), "{shown}");
    }
    let held = value(b"GEHEIM", 7);
    assert_eq!(held.name(), "VALUE");
}

#[test]
fn an_entry_never_ends_before_its_time() {
    let seconds = Duration::from_secs;
    for (ttl, expected) in [
        (None, 0),
        (Some(Duration::ZERO), 1),
        (Some(Duration::from_millis(1)), 2),
        (Some(seconds(1)), 2),
        (Some(Duration::from_millis(1001)), 3),
        (Some(seconds(30 * 86_400)), 1_764_000_000 + 30 * 86_400 + 1),
        (Some(Duration::MAX), i64::from(i32::MAX)),
    ] {
        assert_eq!(exptime(ttl, 1_764_000_000_999), expected, "{ttl:?}");
    }
}

#[test]
fn a_key_that_would_end_a_command_is_not_plain() {
    for key in [&b""[..], b"a b", b"a\r\n", b"a\0", b"\x7f"] {
        assert!(!is_plain_key(key));
    }
    assert!(is_plain_key(b"a,b@c:\xff"));
}
