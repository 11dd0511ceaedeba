//! The action of an answer: those that need no score, and the name of a restriction class.

use crate::mail::Attributes;

/// What needs no score: bounces, and mail for who answers for the host.
pub(super) fn without_score(attributes: &Attributes) -> Option<String> {
    if attributes.has_no_sender() {
        return Some("DUNNO NULL (<>) Sender".into());
    }
    let recipient = &attributes.recipient;
    let is_for_host = recipient.starts_with("postmaster@") || recipient.starts_with("abuse@");
    is_for_host.then(|| format!("DUNNO mail for {recipient}"))
}

/// Of `rc: NAME, text` the name is the answer.
pub(super) fn restriction_class(action: String) -> String {
    if !action.contains("rc:") {
        return action;
    }
    let begin = action.trim_start_matches([' ', '\t']);
    let Some(rest) = begin
        .get(..3)
        .filter(|word| word.eq_ignore_ascii_case("rc:"))
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
