//! Fields of a line: `key=value`, whatever the value is.

use super::escaped;

/// Appends `key=value` to a line, after a blank if it is not the first.
///
/// A value that is not empty and has no blank, `"` and `\` stands as it is. Any other stands within `"`,
/// and `"`, `\` and `=` in it are escaped. So a blank, a key and `=` in a row are always a field of the
/// line: a reader that splits it finds no other, and neither does one that searches for ` key=`. What is longer than `limit`
/// bytes as written is cut, and ends in `...`.
///
/// ```
/// use policy_daemon::log::append_field;
///
/// let mut line = "request:".to_owned();
/// append_field(&mut line, "sender", b"a@example.com", 512);
/// append_field(&mut line, "helo_name", b"a b=c", 512);
/// assert_eq!(line, r#"request: sender=a@example.com helo_name="a b\x3dc""#);
/// ```
pub fn append_field(line: &mut String, key: &str, value: &[u8], limit: usize) {
    if !line.is_empty() {
        line.push(' ');
    }
    line.push_str(key);
    line.push('=');
    let has_odd = |text: &str| {
        text.chars()
            .any(|c| c.is_whitespace() || matches!(c, '"' | '\\'))
    };
    let is_plain = !value.is_empty() && str::from_utf8(value).is_ok_and(|text| !has_odd(text));
    if is_plain {
        line.push_str(&escaped(value, limit, |_| false));
    } else {
        line.push('"');
        line.push_str(&escaped(value, limit, |c| matches!(c, '"' | '\\' | '=')));
        line.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_where_its_value_is_not_plain() {
        let table: &[(&[u8], &str)] = &[
            (b"", r#""""#),
            (b"a@example.com", "a@example.com"),
            (b"o'brien+tag@[192.0.2.1]", "o'brien+tag@[192.0.2.1]"),
            (
                b"SRS0=ab=xy=example.org=u@s.test",
                "SRS0=ab=xy=example.org=u@s.test",
            ),
            (b"<>", "<>"),
            ("gr\u{fc}n".as_bytes(), "gr\u{fc}n"),
            (b"a b", r#""a b""#),
            (b"a service=b", r#""a service\x3db""#),
            (b"a\" service=b", r#""a\x22 service\x3db""#),
            (br"a\x22", r#""a\x5cx22""#),
            (b"a\tb", r#""a?b""#),
            (b"\xe9 =", r#""\xe9 \x3d""#),
            (b"\xe9", r#""\xe9""#),
            ("a\u{a0}service=b".as_bytes(), "\"a\u{a0}service\\x3db\""),
            ("\u{202e}".as_bytes(), r"\xe2\x80\xae"),
        ];
        for (value, written) in table {
            let mut line = "k=v".to_owned();
            append_field(&mut line, "key", value, 100);
            assert_eq!(
                line,
                format!("k=v key={written}"),
                "{}",
                value.escape_ascii()
            );
        }
        let mut line = String::new();
        append_field(&mut line, "key", &[b'"'; 100], 20);
        assert_eq!(line, r#"key="\x22\x22\x22\x22...""#);
    }
}
