//! Texts whose characters are bytes, from U+0000 to U+00FF: what clients and files say is not decoded.

use std::borrow::Cow;

/// The bytes of a text.
pub(crate) fn bytes(text: &str) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return Cow::Borrowed(text.as_bytes());
    }
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect()
}

/// The bytes of a text, without a copy where the text has them already.
pub(crate) fn into_bytes(text: String) -> Vec<u8> {
    if text.is_ascii() {
        return text.into_bytes();
    }
    bytes(&text).into_owned()
}

/// The text of bytes.
pub(crate) fn characters(bytes: &[u8]) -> String {
    match str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => text.to_owned(),
        _ => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

/// The text of bytes, in lower case.
pub(crate) fn lower(bytes: &[u8]) -> String {
    let mut text = characters(bytes);
    text.make_ascii_lowercase();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_the_bytes_that_it_was_made_of() {
        let all: Vec<u8> = (0..=255).collect();
        for of in [&all[..], &all[..128], b"", "\u{fc}".as_bytes()] {
            let text = characters(of);
            assert_eq!(text.chars().count(), of.len());
            assert_eq!(*bytes(&text), *of);
            assert_eq!(into_bytes(text), *of);
        }
    }
}
