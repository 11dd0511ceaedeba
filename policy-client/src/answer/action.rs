//! The line of an action, as Postfix reads it: with names and values that end at a NUL byte, as texts do in C.

use memchr::memchr;
use policy_proto::Action;

use super::{Flaw, Oddity};

/// The name in a line and its value; `None` where there is no `=`.
pub(super) fn attribute(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr(b'=', line) {
        Some(end) => (line.get(..end).unwrap_or_default(), line.get(end + 1..)),
        None => (line, None),
    }
}

/// Whether a line has this name is `action`.
pub(super) fn is_action(name: &[u8]) -> bool {
    c_string(name) == b"action"
}

/// Whether Postfix reads the value of an action when so much of a line has come, and not a name or what it skips.
pub(crate) fn is_within_value(line: &[u8]) -> bool {
    let (name, value) = attribute(line);
    is_action(name) && value.is_some() && !line.ends_with(b"\n")
}

/// The text of the action in its line, as far as Postfix reads it.
pub(crate) fn text(line: &[u8]) -> &[u8] {
    c_string(attribute(line).1.unwrap_or_default())
}

/// The action in its line, and what is unusual about it, or why Postfix does not use it.
pub(super) fn read(line: &[u8]) -> Result<(&[u8], Option<Oddity>), Flaw> {
    let text = text(line);
    let oddity = if memchr(0, line).is_some() {
        Some(Oddity::Nul)
    } else {
        memchr(b'\r', text).map(|_| Oddity::Return)
    };
    if text.iter().all(|byte| BETWEEN_WORDS.contains(byte)) {
        return Err(Flaw::Blank);
    }
    if str::from_utf8(text).is_err() {
        return Err(Flaw::NotUtf8);
    }
    // A name that is none of Postfix's own may be that of a class of restrictions, but not with such a byte.
    let is_no_class = oddity.is_some() || names_table(text);
    if is_no_class && restriction(text).is_some() {
        return Err(Flaw::Unknown);
    }
    Ok((text.strip_suffix(b"\r").unwrap_or(text), oddity))
}

/// The word that Postfix takes for the name of a restriction, since the action is none that it knows, and which is no such
/// name, either.
pub(crate) fn restriction(text: &[u8]) -> Option<&[u8]> {
    let mut words = text.split(|byte| BETWEEN_WORDS.contains(byte));
    let word = words.find(|word| !word.is_empty())?;
    // A carriage return at its end is a part of the action, but none of a restriction's name.
    let is_action = !matches!(Action::parse(text), Action::Other(_));
    let is_name = RESTRICTIONS
        .iter()
        .any(|name| name.as_bytes().eq_ignore_ascii_case(word));
    (!is_action && !is_name).then_some(word)
}

/// Whether Postfix takes a text that is no action for one with the name of a table, and refuses it.
pub(crate) fn names_table(text: &[u8]) -> bool {
    memchr(b':', text).is_some()
}

/// Bytes up to a NUL.
fn c_string(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// What stands between the names of restrictions.
const BETWEEN_WORDS: &[u8] = b" \t\r,";
/// Actions that are names of restrictions as well.
const RESTRICTIONS: [&str; 5] = [
    "permit",
    "reject",
    "defer",
    "defer_if_permit",
    "defer_if_reject",
];
