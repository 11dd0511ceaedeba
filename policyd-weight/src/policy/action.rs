//! The action of an answer: those that need no score, and what is sent of an action.

use crate::{config::Config, mail::Attributes, text::lower};

/// What needs no score: bounces, and mail for who answers for the host.
pub(super) fn without_score(attributes: &Attributes<'_>) -> Option<String> {
    if attributes.has_no_sender() {
        return Some("DUNNO NULL (<>) Sender".into());
    }
    let recipient = attributes.recipient;
    let begins = |with: &[u8]| {
        let begin = recipient.get(..with.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(with))
    };
    let is_for_host = begins(b"postmaster@") || begins(b"abuse@");
    is_for_host.then(|| format!("DUNNO mail for {}", lower(recipient)))
}

/// What Postfix is sent of an action. An explanation shows the same.
pub(super) fn sent(config: &Config, attributes: &Attributes<'_>, action: String) -> String {
    let mut action = restriction_class(action);
    // Postfix can add no header any more, and warns of an answer that asks for it.
    if !config.compat
        && attributes
            .protocol_state
            .eq_ignore_ascii_case(b"END-OF-MESSAGE")
        && let Some(header) = action.strip_prefix("PREPEND ")
    {
        action = format!("DUNNO {header}");
    }
    in_a_line(action)
}

/// An answer in one line, whatever the options and the client have in it.
fn in_a_line(mut action: String) -> String {
    // No text is longer than its bytes: most need no count.
    if action.len() > MAX_ANSWER {
        action = action.chars().take(MAX_ANSWER).collect();
    }
    // A look at all bytes is quicker than to stop at one.
    let is_end = |is_end, byte| is_end | matches!(byte, 0 | b'\n' | b'\r');
    if action.bytes().fold(false, is_end) {
        action = action.replace(['\0', '\n', '\r'], "?");
    }
    if action.bytes().all(|byte| byte.is_ascii_whitespace()) {
        return "DUNNO".into();
    }
    action
}

/// Of `rc: NAME, text` the name is the answer.
fn restriction_class(action: String) -> String {
    let begin = action.trim_start_matches([' ', '\t']);
    let Some(rest) = begin
        .get(..3)
        .filter(|word| word.eq_ignore_ascii_case("rc:") && action.contains("rc:"))
        .and_then(|_| begin.get(3..))
    else {
        return action;
    };
    let rest = rest.trim_start_matches([' ', '\t']);
    match rest.find([',', ';', ' ', '.']) {
        Some(end) => rest.get(..end).unwrap_or_default().to_owned(),
        None => action,
    }
}

/// How long an answer may be: below what the protocol's reader takes.
const MAX_ANSWER: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_line() {
        for (action, expected) in [
            ("550 a\nb\0c", "550 a?b?c"),
            ("550 a\0b", "550 a?b"),
            ("550 a\rb", "550 a?b"),
            ("", "DUNNO"),
            ("  ", "DUNNO"),
            ("550 \u{fc}", "550 \u{fc}"),
        ] {
            assert_eq!(in_a_line(action.into()), expected);
        }
        // Each character is a byte.
        assert_eq!(
            in_a_line("\u{fc}".repeat(10_000)),
            "\u{fc}".repeat(MAX_ANSWER)
        );
    }

    #[test]
    fn of_a_restriction_class_the_name_is_answered() {
        for (action, expected) in [
            ("rc: greylist, some text", "greylist"),
            (" RC:greylist; MTA helo", " RC:greylist; MTA helo"),
            ("Rc: a rc: b", "a"),
            ("rc:greylist", "rc:greylist"),
            ("550 no rc: x", "550 no rc: x"),
        ] {
            assert_eq!(restriction_class(action.into()), expected, "{action}");
        }
    }
}
