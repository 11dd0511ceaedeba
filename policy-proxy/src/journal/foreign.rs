//! Other protocols, known by the first bytes of a client.

/// The protocol that a connection begins with, if it is one that is often sent to a wrong port.
pub(crate) fn foreign_protocol(first: &[u8]) -> Option<&'static str> {
    // Blank lines are skipped, and the signature of version 2 begins with two.
    let text = first.trim_ascii_start();
    let begins = |texts: &[&[u8]]| texts.iter().any(|begin| text.starts_with(begin));
    Some(if begins(&[b"\0\r\nQUIT\n"]) {
        "a PROXY protocol header (version 2)"
    } else if begins(&[b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"]) {
        "a PROXY protocol header (version 1)"
    } else if matches!(text, [0x16, 3, 0..=4, _, _, 1, ..]) {
        TLS_HELLO
    } else if begins(&HTTP) {
        "an HTTP request"
    } else if begins(&[b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"]) {
        "a byte order mark"
    } else {
        return None;
    })
}

/// The protocol of a request that was given up before it had come whole: it may have no line feed, and its client waits for
/// an answer to it.
pub(crate) fn foreign_begin(first: &[u8]) -> &'static str {
    match first {
        [0x16, 3, ..] => TLS_HELLO,
        first => foreign_protocol(first).unwrap_or("a line whose name is no word"),
    }
}

const TLS_HELLO: &str = "a TLS hello";
const HTTP: [&[u8]; 8] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"CONNECT ",
    b"PRI * HTTP/2",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_known_by_their_first_bytes() {
        for (first, name) in [
            (
                &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..],
                Some("a PROXY protocol header (version 2)"),
            ),
            (
                b"\0\r\nQUIT\n\x20\0\0\0",
                Some("a PROXY protocol header (version 2)"),
            ),
            (
                b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
                Some("a PROXY protocol header (version 1)"),
            ),
            (
                b"PROXY UNKNOWN\r\n",
                Some("a PROXY protocol header (version 1)"),
            ),
            (
                b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
                Some("a TLS hello"),
            ),
            (b"\x16\x03\x03\0\xc8\x01", Some("a TLS hello")),
            (b"GET / HTTP/1.1\r\n", Some("an HTTP request")),
            (b"POST /?a=b HTTP/1.0\r\n", Some("an HTTP request")),
            (b"POST * HTTP/1.1\r\n", Some("an HTTP request")),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some("an HTTP request")),
            (
                b"\xef\xbb\xbfrequest=smtpd_access_policy\n",
                Some("a byte order mark"),
            ),
            (b"\xff\xfer\0e\0", Some("a byte order mark")),
            (b"", None),
            (b"request=smtpd_access_policy\n", None),
            (b"\n\nrequest", None),
            (b"EHLO x\r\n", None),
            (b"GETTING=x\n", None),
            (b"PROXY=x\n", None),
            (b"\x16\x03\x01", None),
        ] {
            assert_eq!(foreign_protocol(first), name, "{}", first.escape_ascii());
        }
    }
}
