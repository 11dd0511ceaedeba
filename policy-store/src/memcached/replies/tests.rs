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
            assert!(parse(&bytes[..cut], expect).unwrap().is_none());
        }
        let more = [bytes, b"more"].concat();
        let parsed = parse(&more, expect).unwrap().unwrap();
        assert_eq!(parsed.length, bytes.len() as u64);
        assert_eq!(parsed.reply.unwrap(), reply);
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
            b"STORED\r\n",
            Expect::Value(b"k"),
            "unexpected answer: STORED",
        ),
        (b"END\r\n", Expect::Line, "unexpected answer: END"),
        (b"END\n", Expect::Value(b"k"), "unexpected answer: END"),
        (b"ERROR\r\n", Expect::Line, "unexpected answer: ERROR"),
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
fn an_error_after_which_the_server_goes_on_is_a_reply() {
    for (bytes, expect, error, length) in [
        (
            "VALUE k 0 9999999 7\r\n",
            Expect::Value(b"k"),
            "9999999 bytes of a value, of which at most 1000000 are allowed",
            21 + 9_999_999 + 7,
        ),
        (
            "VALUE k 0 18446744073709551615 7\r\n",
            Expect::Value(b"k"),
            "18446744073709551615 bytes of a value, of which at most 1000000 are allowed",
            u64::MAX,
        ),
        (
            "SERVER_ERROR out of memory storing object\r\n",
            Expect::Line,
            "SERVER_ERROR out of memory storing object",
            43,
        ),
        (
            "SERVER_ERROR object too large for cache\r\n",
            Expect::Line,
            "refused: SERVER_ERROR object too large for cache",
            41,
        ),
        (
            "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
            Expect::Line,
            "the value is no number",
            62,
        ),
    ] {
        let parsed = parse(bytes.as_bytes(), expect).unwrap().unwrap();
        assert_eq!(parsed.reply.unwrap_err().to_string(), error);
        assert_eq!(parsed.length, length, "{bytes}");
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
