//! Bytes as a person reads them.

use std::fmt::{self, Write};

/// Text as it is, but for what could command a terminal or is not UTF-8: that is escaped.
pub(crate) struct Shown<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character.is_control() {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    f.write_char(character)?;
                }
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_it_is_and_anything_else_is_escaped() {
        for (bytes, shown) in [
            (&b""[..], ""),
            (b"REJECT 5.7.1 no", "REJECT 5.7.1 no"),
            ("REJECT caf\u{e9}".as_bytes(), "REJECT caf\u{e9}"),
            (b"REJECT caf\xe9!", "REJECT caf\\xe9!"),
            (b"a\tb\x1b[2J", "a\\tb\\u{1b}[2J"),
            ("\u{9b}x".as_bytes(), "\\u{9b}x"),
        ] {
            assert_eq!(Shown(bytes).to_string(), shown, "{}", bytes.escape_ascii());
        }
    }
}
