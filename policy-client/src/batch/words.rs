//! The words of a line: attributes between blanks, their values in quotation marks where they hold some.

use crate::request::Given;

/// Reads `name=value` words, and `-name` for one that is taken away.
///
/// Between quotation marks `\"`, `\\`, `\t` and `\xNN` stand for a character or a byte.
pub(crate) fn attributes(line: &str) -> Result<Vec<Given>, String> {
    let mut rest = line.trim_start();
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (given, after) = attribute(rest)?;
        all.push(given);
        rest = after.trim_start();
    }
    Ok(all)
}

/// The first attribute, and what is left.
fn attribute(text: &str) -> Result<(Given, &str), String> {
    let end_of_word = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, after) = text.split_at(end_of_word);
    let Some((name, _)) = word.split_once('=') else {
        return match word.strip_prefix('-') {
            Some(name) if !name.is_empty() => Ok(((name.into(), None), after)),
            _ => Err(format!("'{word}' is not name=value")),
        };
    };
    let value = text.get(name.len() + 1..).unwrap_or_default();
    if let Some(inner) = value.strip_prefix('"') {
        let (value, after) = quoted(inner)?;
        if !after.is_empty() && !after.starts_with(char::is_whitespace) {
            return Err(format!("a blank is missing after the value of '{name}'"));
        }
        return Ok(((name.into(), Some(value)), after));
    }
    let end = value.find(char::is_whitespace).unwrap_or(value.len());
    let (value, after) = value.split_at(end);
    Ok(((name.into(), Some(value.into())), after))
}

/// A value up to its closing quotation mark, and what is left.
fn quoted(text: &str) -> Result<(Vec<u8>, &str), String> {
    let mut value = Vec::new();
    let mut chars = text.chars();
    loop {
        match chars.next() {
            None => return Err("a quotation mark is missing at the end of a value".to_owned()),
            Some('"') => return Ok((value, chars.as_str())),
            Some('\\') => value.push(escape(&mut chars)?),
            Some(c) => value.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
}

/// The byte that an escape stands for, after its backslash.
fn escape(chars: &mut std::str::Chars<'_>) -> Result<u8, String> {
    match chars.next() {
        Some('"') => Ok(b'"'),
        Some('\\') => Ok(b'\\'),
        Some('t') => Ok(b'\t'),
        Some('x') => {
            let digits = chars.as_str().get(..2).unwrap_or_default();
            // The number's parser takes a sign as well.
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(NO_DIGITS.to_owned());
            }
            let byte = u8::from_str_radix(digits, 16);
            let byte = byte.map_err(|_| NO_DIGITS.to_owned());
            *chars = chars.as_str().get(2..).unwrap_or_default().chars();
            byte
        }
        _ => Err("a backslash stands before \", \\, t or xNN only".to_owned()),
    }
}

const NO_DIGITS: &str = "two hexadecimal digits are missing after \\x";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_attributes_with_their_bytes() {
        let given = |name: &str, value: &[u8]| (name.into(), Some(value.to_vec()));
        for (line, expected) in [
            ("", vec![]),
            (
                " a=1  b= c=x=y",
                vec![given("a", b"1"), given("b", b""), given("c", b"x=y")],
            ),
            (
                r#"a="b c" d="\"\\\t\xe9" e="#,
                vec![
                    given("a", b"b c"),
                    given("d", b"\"\\\t\xe9"),
                    given("e", b""),
                ],
            ),
            ("a=gr\u{fc}n", vec![given("a", "gr\u{fc}n".as_bytes())]),
            ("a=b\"c", vec![given("a", b"b\"c")]),
            ("-size a=1", vec![("size".into(), None), given("a", b"1")]),
        ] {
            assert_eq!(attributes(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_attribute_is_refused() {
        for line in [
            "a",
            "-",
            "a=\"b",
            "a=\"b\"c",
            r#"a="\q""#,
            r#"a="\x4""#,
            r#"a="\xé""#,
            r#"a="\x+f""#,
            r#"a="\"#,
        ] {
            assert!(attributes(line).is_err(), "{line}");
        }
    }
}
