//! Words as a shell reads them.

/// A word so that every POSIX shell takes it for one and for the same. Nothing in it can command a terminal.
pub(super) fn quoted(word: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_=+./:,@%".contains(byte);
    match str::from_utf8(word) {
        Ok(text) if !text.is_empty() && word.iter().all(plain) => text.to_owned(),
        Ok(text) if text.chars().all(is_visible) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => {
            // A shell takes line feeds from the end of what a command says.
            let end = word
                .iter()
                .rposition(|byte| *byte != b'\n')
                .map_or(0, |last| last + 1);
            let (text, lines) = word.split_at_checked(end).unwrap_or((word, b""));
            let ends = match lines {
                b"" => String::new(),
                lines => format!("'{}'", "\n".repeat(lines.len())),
            };
            format!("\"$(printf '{}')\"{ends}", printf_format(text))
        }
    }
}

/// For printf(1), in single quotes.
fn printf_format(text: &[u8]) -> String {
    let escape = |(index, byte): (usize, &u8)| match byte {
        b'%' => "%%".to_owned(),
        b'\\' => r"\\".to_owned(),
        // An option.
        b'-' if index == 0 => format!(r"\{byte:03o}"),
        b' '..=b'~' if *byte != b'\'' => char::from(*byte).to_string(),
        byte => format!(r"\{byte:03o}"),
    };
    text.iter().enumerate().map(escape).collect()
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
            (b"gr\xfcn", r#""$(printf 'gr\374n')""#),
            (b"-a\x1b[1m'\\%", r#""$(printf '\055a\033[1m\047\\%%')""#),
            ("\u{202e}".as_bytes(), r#""$(printf '\342\200\256')""#),
            (b"a\nb\n\n", "\"$(printf 'a\\012b')\"'\n\n'"),
        ] {
            assert_eq!(quoted(word), text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_reads_what_was_quoted(word in prop::collection::vec(1_u8.., 0..40)) {
            let script = format!("printf %s {}", quoted(&word));
            for name in ["sh", "dash", "bash"] {
                // Where it is.
                if let Ok(shell) = Command::new(name).args(["-c", &script]).env("LC_ALL", "C").output() {
                    prop_assert_eq!(&shell.stdout, &word, "{}", name);
                }
            }
        }
    }
}
