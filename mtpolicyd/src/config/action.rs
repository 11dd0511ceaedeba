//! Actions that Postfix knows.

use policy_proto::Action;

use super::Section;

/// Notes what Postfix would refuse, or take for something else. Source: access(5), smtpd_check.c.
pub(super) fn check(action: &str, key: &str, section: &mut Section<'_>) {
    let word = action.split_ascii_whitespace().next().unwrap_or_default();
    if word.is_empty() {
        section.warning(
            key,
            format!("`{key}` is empty: Postfix takes an empty action for OK, this answers dunno"),
        );
    } else if action.contains(['\n', '\r', '\0']) {
        section.warning(
            key,
            format!("`{key}` has several lines: they are sent as one"),
        );
    } else if matches!(Action::parse(action.as_bytes()), Action::Other(_)) && !word.starts_with('%')
    {
        let text = format!(
            "Postfix may not know the action `{word}`: if it is no restriction of yours, mail is answered 451 4.3.5"
        );
        section.warning(key, text);
    }
}
