//! Texts of lists: as Net::DNS writes them into a zone file, and as a reply can hold them.

/// A record's strings as in a zone file: with quotes where there are blanks, commas, semicolons or parentheses, or nothing.
pub(super) fn zone_file(strings: &[Box<[u8]>]) -> String {
    let strings: Vec<_> = strings.iter().map(|string| quoted(string)).collect();
    strings.join(" ")
}

fn quoted(string: &[u8]) -> String {
    let mut text = String::with_capacity(string.len());
    for &byte in string {
        match byte {
            b'"' | b'\\' => text.extend(['\\', byte.into()]),
            b' '..=b'~' => text.push(byte.into()),
            _ => text.push_str(&format!("\\{byte:03}")),
        }
    }
    let needs_quotes = text.is_empty() || text.contains([' ', '(', ')', ',', ';']);
    if needs_quotes {
        format!("\"{text}\"")
    } else {
        text
    }
}

/// A text for a reply: at most 400 characters, none of which ends the line or does anything to a terminal.
pub(super) fn plain(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let text = text
        .chars()
        .map(|char| if char.is_control() { '?' } else { char });
    text.take(MAX_TEXT).collect()
}

/// A line of a reply has 512 bytes (RFC 5321, 4.5.3.1.5).
const MAX_TEXT: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_file_has_quotes_where_they_are_needed() {
        for (strings, text) in [
            (vec![&b"first"[..]], "first"),
            (vec![b"two", b"strings"], "two strings"),
            (vec![b"two strings"], r#""two strings""#),
            (
                vec![br#"a "quoted" text; semicolon"#],
                r#""a \"quoted\" text; semicolon""#,
            ),
            (vec![b""], r#""""#),
            (vec![b"a\\b"], r"a\\b"),
            (vec![b"\x07\xff"], r"\007\255"),
            (vec![b"(x)"], r#""(x)""#),
        ] {
            let strings: Vec<Box<[u8]>> = strings.into_iter().map(Into::into).collect();
            assert_eq!(zone_file(&strings), text);
        }
    }

    #[test]
    fn a_reply_stays_one_line() {
        assert_eq!(plain(b"see\r\n250 ok \x1b[2J"), "see??250 ok ?[2J");
        assert_eq!(plain("f\u{fc}r".as_bytes()), "f\u{fc}r");
        assert_eq!(plain(&[b'x'; 1000]).len(), 400);
    }
}
