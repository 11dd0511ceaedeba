//! The productions of the record grammar that need no context (RFC 7208, 7.1 and 12).
//!
//! Each function says how many bytes at the beginning of the input it takes.

use std::net::Ipv4Addr;

/// `macro-expand`: `%{...}`, `%%`, `%_`, `%-`. Whether the letter is known is not looked at.
pub(super) fn macro_expand(input: &[u8]) -> Option<usize> {
    match input {
        [b'%', b'%' | b'_' | b'-', ..] => Some(2),
        [b'%', b'{', letter, rest @ ..] if letter.is_ascii_alphabetic() => {
            let digits = run(rest, u8::is_ascii_digit);
            let reverse = usize::from(
                rest.get(digits)
                    .is_some_and(|byte| byte.eq_ignore_ascii_case(&b'r')),
            );
            let delimiters = run(rest.get(digits + reverse..)?, is_delimiter);
            let end = digits + reverse + delimiters;
            (rest.get(end) == Some(&b'}')).then_some(end + 4)
        }
        _ => None,
    }
}

/// `macro-string`: as much as there is.
pub(super) fn macro_string(input: &[u8]) -> usize {
    parts(input).last().unwrap_or(0)
}

/// `domain-spec`: the longest one. It ends with a macro, or with a label that is not only digits.
pub(super) fn domain_spec(input: &[u8]) -> Option<usize> {
    let starts: Vec<_> = std::iter::once(0).chain(parts(input)).collect();
    starts.into_iter().rev().find_map(|start| {
        let rest = input.get(start..)?;
        let end = macro_expand(rest).or_else(|| top_label(rest))?;
        Some(start + end)
    })
}

/// `"." toplabel [ "." ]`.
fn top_label(input: &[u8]) -> Option<usize> {
    let rest = input.strip_prefix(b".")?;
    let dashed = run(rest, |byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let dashed = rest.get(..dashed)?;
    let dashed = dashed
        .iter()
        .rposition(|&byte| byte != b'-')
        .and_then(|last| dashed.get(..=last))
        .unwrap_or_default();
    let plain = run(rest, u8::is_ascii_alphanumeric);
    let length = if plain > 0 && dashed.len() > plain {
        dashed.len()
    } else {
        let has_letter = rest.get(..plain)?.iter().any(u8::is_ascii_alphabetic);
        has_letter.then_some(plain)?
    };
    let dot = usize::from(rest.get(length) == Some(&b'.'));
    Some(1 + length + dot)
}

/// The ends of the parts of a macro string.
fn parts(input: &[u8]) -> impl Iterator<Item = usize> {
    let mut end = 0;
    std::iter::from_fn(move || {
        let rest = input.get(end..)?;
        let literal = matches!(rest, [b'!'..=b'$' | b'&'..=b'~', ..]).then_some(1);
        end += literal.or_else(|| macro_expand(rest))?;
        Some(end)
    })
}

/// A name of a mechanism or modifier, for all that may be one.
pub(super) fn name(input: &[u8]) -> usize {
    if input.first().is_some_and(u8::is_ascii_alphabetic) {
        run(input, |byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
        })
    } else {
        0
    }
}

/// An IPv4 address at the beginning, as long as it gets: `1.2.3.40` of `1.2.3.400`.
pub(super) fn ipv4_address(input: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let (mut octets, mut end) = ([0; 4], 0);
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            (input.get(end) == Some(&b'.')).then_some(())?;
            end += 1;
        }
        let digits = run(input.get(end..)?, u8::is_ascii_digit).min(3);
        let number = |length: usize| {
            std::str::from_utf8(input.get(end..end + length)?)
                .ok()?
                .parse::<u8>()
                .ok()
        };
        // No zero at the beginning of a longer number.
        let most = if input.get(end) == Some(&b'0') {
            digits.min(1)
        } else {
            digits
        };
        let (length, value) = (1..=most)
            .rev()
            .find_map(|length| Some((length, number(length)?)))?;
        *octet = value;
        end += length;
    }
    Some((octets.into(), end))
}

pub(super) fn run(input: &[u8], wanted: impl Fn(&u8) -> bool) -> usize {
    input.iter().take_while(|byte| wanted(byte)).count()
}

pub(super) fn is_delimiter(byte: &u8) -> bool {
    matches!(byte, b'.' | b'-' | b'+' | b',' | b'/' | b'_' | b'=')
}

/// The bytes as a text that prints: others as `\xNN`.
pub(super) fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use regex::bytes::{Regex, RegexBuilder};

    use super::*;

    #[test]
    fn a_domain_spec_is_the_longest_one() {
        for (input, expected) in [
            ("example.com", Some(11)),
            ("example.com.", Some(12)),
            ("example.com/24", Some(11)),
            ("example.com:8080", Some(11)),
            ("a.co-m-/24", Some(6)),
            ("a.1-2", Some(5)),
            ("a.-b", None),
            ("abc.123", None),
            ("museum", None),
            ("museum.", None),
            ("%{i}", Some(4)),
            ("a.b%{1}", Some(3)),
            ("%{ir}.x%{d2}", Some(12)),
            ("%{I12R-.}", Some(9)),
            ("x.%", None),
            ("a.b%(x)", Some(3)),
            ("foo%.sbl.example.com", None),
            ("", None),
            (".com", Some(4)),
            ("a.b..", Some(4)),
            ("a.b.com\x00", Some(7)),
            ("%{}.%{1}", None),
        ] {
            assert_eq!(domain_spec(input.as_bytes()), expected, "{input}");
        }
    }

    #[test]
    fn an_address_is_as_long_as_it_gets() {
        for (input, expected) in [
            ("1.2.3.4", Some(7)),
            ("1.2.3.400", Some(8)),
            ("255.255.255.2559", Some(15)),
            ("1.2.3.4/32", Some(7)),
            ("01.2.3.4", None),
            ("1.2.3.04", Some(7)),
            ("1.2.3", None),
            ("1..2.3", None),
            ("256.1.1.1", None),
        ] {
            assert_eq!(
                ipv4_address(input.as_bytes()).map(|(_, end)| end),
                expected,
                "{input}"
            );
        }
    }

    #[test]
    fn what_does_not_print_is_escaped() {
        assert_eq!(printable(b"a b\n\x80\x7f~"), r"a b\x0a\x80\x7f~");
    }

    #[test]
    fn macros_end_with_a_brace() {
        for (input, expected) in [
            ("%{d}", Some(4)),
            ("%{d", None),
            ("%{d1r.-}x", Some(8)),
            ("%{dr1}", None),
            ("%{dx}", None),
            ("%%", Some(2)),
            ("%a", None),
            ("%", None),
        ] {
            assert_eq!(macro_expand(input.as_bytes()), expected, "{input}");
        }
    }

    /// The grammar as regular expressions, which find the longest match by going back, as the RFC's ABNF means it.
    static DOMAIN_SPEC: LazyLock<Regex> = LazyLock::new(|| {
        const EXPAND: &str = r"%(?:\{[A-Za-z][0-9]*[rR]?[.\-+,/_=]*\}|[%_-])";
        const TOP_LABEL: &str =
            "(?:[A-Za-z0-9]+-[A-Za-z0-9-]*[A-Za-z0-9]|[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*)";
        expression(&format!(
            r"^(?:{EXPAND}|[!-$&-~])*(?:\.{TOP_LABEL}\.?|{EXPAND})"
        ))
    });

    static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
        const OCTET: &str = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9][0-9]|[0-9])";
        expression(&format!(r"^{OCTET}(?:\.{OCTET}){{3}}"))
    });

    fn expression(text: &str) -> Regex {
        RegexBuilder::new(text).unicode(false).build().unwrap()
    }

    proptest::proptest! {
        #[test]
        fn a_domain_spec_is_that_of_the_grammar(input in r"([a-c1-2.:/-]|%\{[di][0-9]?r?[.-]?\}|%%|%|[{} ]|\.com){0,12}") {
            let input = input.as_bytes();
            proptest::prop_assert_eq!(domain_spec(input), DOMAIN_SPEC.find(input).map(|found| found.end()));
        }

        #[test]
        fn an_address_is_that_of_the_grammar(input in r"([0-9]{0,4}\.){3}[0-9]{0,4}[/x]?") {
            let input = input.as_bytes();
            let got = ipv4_address(input);
            proptest::prop_assert_eq!(got.map(|(_, end)| end), ADDRESS.find(input).map(|found| found.end()));
            if let Some((address, end)) = got {
                let text = std::str::from_utf8(&input[..end]).unwrap();
                proptest::prop_assert_eq!(text.parse(), Ok(address));
            }
        }
    }
}
