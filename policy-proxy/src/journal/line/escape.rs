//! Values of peers in the syntax of a line: nothing in a value can be taken for the end of it, and a
//! plain address stays as it is.

use policy_daemon::log::{MAX_LINE, escaped};

/// Where in a line a value stands.
#[derive(Clone, Copy, Debug)]
pub(in crate::journal) enum Place {
    /// A client's name before brackets, or its address within.
    Client,
    /// A HELO name, a sender or a recipient, within `<` and `>`.
    Address,
    /// The action of the line per attempt, within `'`.
    Action,
    /// A text within this quotation mark.
    Quoted(char),
    /// A text to the end of the line.
    Last,
}

/// A value for this place, with what must not be read as the line's own syntax as `\xNN`.
///
/// - Backslashes are escaped everywhere: so each one that is written begins an escape.
/// - Between quotation marks the mark is.
/// - An address stays as it is if it is plain, that is, without blanks, `"`, `\`, `<`, `>` and `,`. In any
///   other address `'`, `[` and `]` are escaped as well.
/// - `[` and `]` are always escaped in a client's name: no host has them.
///
/// A value that is longer than the place's share of a line is cut, so that no value can push the later ones
/// off the line's end.
pub(in crate::journal) fn escape(value: &[u8], place: Place) -> String {
    let is_plain = || str::from_utf8(value).is_ok_and(|text| !text.contains(is_odd));
    match place {
        Place::Client if is_plain() => escaped(value, MAX_VALUE, |c| matches!(c, '[' | ']')),
        Place::Address if is_plain() => escaped(value, MAX_VALUE, |_| false),
        Place::Client | Place::Address => escaped(value, MAX_VALUE, is_delimiter),
        Place::Action => escaped(value, MAX_TEXT, is_backslash_or('\'')),
        Place::Quoted(mark) => escaped(value, MAX_TEXT, is_backslash_or(mark)),
        Place::Last => escaped(value, MAX_LINE, is_backslash_or('\\')),
    }
}

/// Whether a value with this character is not plain. A reader of a log may take any blank of Unicode
/// for one; a control character is written as something else.
fn is_odd(c: char) -> bool {
    (c.is_whitespace() && !c.is_control()) || matches!(c, '"' | '\\' | '<' | '>' | ',')
}

const fn is_delimiter(c: char) -> bool {
    matches!(c, '"' | '\\' | '<' | '>' | ',' | '\'' | '[' | ']')
}

fn is_backslash_or(mark: char) -> impl Fn(char) -> bool {
    move |c| c == mark || c == '\\'
}

/// The longest value of a client, in bytes as written. With escapes only it still holds 256 bytes, the
/// longest path of SMTP; five of them leave room for the rest of the line.
pub(super) const MAX_VALUE: usize = 1024;
/// The longest text between quotation marks: the line has room for what else it says.
pub(super) const MAX_TEXT: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_value_stays_as_it_is() {
        for value in [
            "",
            "a@example.com",
            "o'brien@example.com",
            "user+tag@[192.0.2.1]",
            "user@[IPv6:2001:db8::1]",
            "a=b=c%d(e);:{f}@example.com",
            "grün@例え.jp",
            "[192.0.2.1]",
            "mail.example.com",
        ] {
            assert_eq!(escape(value.as_bytes(), Place::Address), value);
        }
        for value in [
            "",
            "unknown",
            "mail.example.com",
            "192.0.2.1",
            "2001:db8::1",
            "fe80::1%eth0",
        ] {
            assert_eq!(escape(value.as_bytes(), Place::Client), value);
        }
        for value in [
            "",
            "REJECT 5.7.1 <a@b>, \"no\" [192.0.2.1]",
            "PREPEND X: grün",
            "  ",
        ] {
            assert_eq!(escape(value.as_bytes(), Place::Action), value);
        }
    }

    #[test]
    fn syntax_within_a_value_is_escaped() {
        use Place::{Action, Address, Client, Last, Quoted};
        let table: &[(Place, &[u8], &str)] = &[
            (
                Address,
                b"a> , client: v[203.0.113.8]@evil",
                r"a\x3e \x2c client: v\x5b203.0.113.8\x5d@evil",
            ),
            (Address, b"a b", "a b"),
            (Address, b"a 'b' [c]", r"a \x27b\x27 \x5bc\x5d"),
            (Address, b"\"a\"@b", r"\x22a\x22@b"),
            (Address, br"a\x3e@b", r"a\x5cx3e@b"),
            (Address, b"<a>", r"\x3ca\x3e"),
            (Address, b"a,b'c[d]", r"a\x2cb\x27c\x5bd\x5d"),
            // A tab is none as it is written. To some readers these are blanks
            (Address, b"x[1]\t", "x[1]?"),
            (
                Address,
                "client:\u{a0}v[203.0.113.8]".as_bytes(),
                "client:\u{a0}v\\x5b203.0.113.8\\x5d",
            ),
            (
                Address,
                "client:\u{3000}v[203.0.113.8]".as_bytes(),
                "client:\u{3000}v\\x5b203.0.113.8\\x5d",
            ),
            // Not UTF-8, and what turns the direction of writing
            (Address, b"\xe9t\xe9[1]@b", r"\xe9t\xe9\x5b1\x5d@b"),
            (Address, "\u{202e}@b".as_bytes(), r"\xe2\x80\xae@b"),
            (Address, b"a\n\x1b[2J", "a??[2J"),
            (Client, b"v[203.0.113.8", r"v\x5b203.0.113.8"),
            (Client, b"v], helo: <", r"v\x5d\x2c helo: \x3c"),
            (Action, b"REJECT it's", r"REJECT it\x27s"),
            (Action, br"REJECT \x27", r"REJECT \x5cx27"),
            (Action, b"REJECT \xff\x07", r"REJECT \xff?"),
            (Quoted('\''), br#"a'b"c\"#, r#"a\x27b"c\x5c"#),
            (Quoted('"'), br#"a'b"c\"#, r"a'b\x22c\x5c"),
            (
                Last,
                br#"x= <a>, 'b' "c" [d]\"#,
                r#"x= <a>, 'b' "c" [d]\x5c"#,
            ),
        ];
        for (place, value, written) in table {
            assert_eq!(
                escape(value, *place),
                *written,
                "{place:?}: {}",
                value.escape_ascii()
            );
        }
    }

    #[test]
    fn a_long_value_leaves_room_for_the_others() {
        for (place, most) in [
            (Place::Client, 1024),
            (Place::Address, 1024),
            (Place::Action, 2048),
            (Place::Quoted('"'), 2048),
        ] {
            for unit in ["x", "\"", "\\", "'", "\u{202e}", "例"] {
                let written = escape(unit.repeat(10_000).as_bytes(), place);
                assert!(written.len() <= most, "{place:?} {unit}: {}", written.len());
                assert!(
                    written.len() > most - 16,
                    "{place:?} {unit}: {}",
                    written.len()
                );
                assert!(written.ends_with("..."), "{place:?} {unit}");
            }
        }
        assert_eq!(
            escape(&[b'"'; 256], Place::Address).len(),
            1024,
            "a whole path"
        );
    }
}
