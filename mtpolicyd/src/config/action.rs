//! Actions that Postfix knows.

use policy_proto::Action;

/// What is wrong with an action that overrides one of the configuration, and what comes of that.
pub(super) fn fault(action: &str) -> Option<String> {
    let word = action.split_ascii_whitespace().next().unwrap_or_default();
    if word.is_empty() {
        Some("which Postfix takes for OK: this answers dunno".to_owned())
    } else {
        warning(action, "it").map(|warning| format!("and {warning}"))
    }
}

/// The warning about an action that Postfix would refuse, or take for something else. `key` is its parameter.
/// Source: access(5), smtpd_check.c.
pub(super) fn warning(action: &str, key: &str) -> Option<String> {
    let word = action.split_ascii_whitespace().next().unwrap_or_default();
    if word.is_empty() {
        Some(format!(
            "`{key}` is empty: Postfix takes an empty action for OK, this answers dunno"
        ))
    } else if action.contains(['\n', '\r', '\0']) {
        Some(format!("`{key}` has several lines: they are sent as one"))
    } else if word.starts_with('%') || !matches!(Action::parse(action.as_bytes()), Action::Other(_))
    {
        None
    } else {
        Some(format!(
            "Postfix may not know the action `{word}`: if it is no restriction of yours, mail is answered 451 4.3.5"
        ))
    }
}
