//! Words as a shell reads them.

/// A word so that a shell takes it for one and for the same. Nothing in it can command a terminal.
pub(super) fn quoted(word: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_=+./:,@%".contains(byte);
    match str::from_utf8(word) {
        Ok(text) if !text.is_empty() && word.iter().all(plain) => text.to_owned(),
        Ok(text) if text.chars().all(is_visible) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => {
            let escape = |byte: &u8| match byte {
                b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
                b' '..=b'~' => char::from(*byte).to_string(),
                byte => format!("\\x{byte:02x}"),
            };
            format!("$'{}'", word.iter().map(escape).collect::<String>())
        }
    }
}

/// Letters and signs of all languages, but nothing that a terminal obeys or that turns the direction of writing.
fn is_visible(c: char) -> bool {
    c == ' ' || c.is_alphanumeric() || c.is_ascii_punctuation()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_words_stay_and_others_are_quoted() {
        for (word, text) in [
            (
                &b"--service=a=inet:127.0.0.1:1:10:1:30s"[..],
                "--service=a=inet:127.0.0.1:1:10:1:30s",
            ),
            (b"", "''"),
            (b"DEFER_IF_PERMIT try later", "'DEFER_IF_PERMIT try later'"),
            (b"it's", r"'it'\''s'"),
            ("gr\u{fc}n".as_bytes(), "'gr\u{fc}n'"),
            (b"gr\xfcn", r"$'gr\xfcn'"),
            (b"a\x1b[1m'\\", r"$'a\x1b[1m\'\\'"),
            ("\u{202e}".as_bytes(), r"$'\xe2\x80\xae'"),
        ] {
            assert_eq!(quoted(word), text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_reads_what_was_quoted(word in prop::collection::vec(1_u8.., 0..40)) {
            let script = format!("printf %s {}", quoted(&word));
            let Ok(shell) = Command::new("bash").args(["-c", &script]).env("LC_ALL", "C").output() else {
                return Ok(()); // There is no bash here.
            };
            prop_assert_eq!(shell.stdout, word);
        }
    }
}
