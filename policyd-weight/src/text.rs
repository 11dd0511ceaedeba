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

/// The text of bytes.
pub(crate) fn characters(bytes: &[u8]) -> String {
    match str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => text.to_owned(),
        _ => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
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
        }
    }
}
