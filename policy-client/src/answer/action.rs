//! The value of `action=`, as Postfix reads it.

use policy_proto::Action;

use super::{Flaw, Oddity};

/// The action in this value, and what is unusual about it, or why Postfix does not use it.
pub(super) fn read(value: &[u8]) -> Result<(&[u8], Option<Oddity>), Flaw> {
    let text = c_string(value);
    let has_return = memchr::memchr(b'\r', text).is_some();
    let oddity = if text.len() < value.len() {
        Some(Oddity::Nul)
    } else {
        has_return.then_some(Oddity::Return)
    };
    if text.iter().all(|byte| b" \t\r\x0b\x0c".contains(byte)) {
        return Err(Flaw::Blank);
    }
    if str::from_utf8(text).is_err() {
        return Err(Flaw::NotUtf8);
    }
    // A name without such a byte may be that of a class of restrictions.
    if oddity.is_some() && unknown(text).is_some() {
        return Err(Flaw::Unknown);
    }
    Ok((text.strip_suffix(b"\r").unwrap_or(text), oddity))
}

/// The word in a line `action=` that Postfix takes for the name of a restriction, since the action is none that it knows,
/// and which is no such name, either.
pub(crate) fn restriction(line: &[u8]) -> Option<&[u8]> {
    unknown(c_string(line.strip_prefix(b"action=")?))
}

fn unknown(action: &[u8]) -> Option<&[u8]> {
    let mut words = action.split(|byte| b" \t\r,".contains(byte));
    let word = words.find(|word| !word.is_empty())?;
    // A carriage return at its end is a part of the action, but none of a restriction's name.
    let is_action = !matches!(Action::parse(action), Action::Other(_));
    let is_name = RESTRICTIONS
        .iter()
        .any(|name| name.as_bytes().eq_ignore_ascii_case(word));
    (!is_action && !is_name).then_some(word)
}

/// Bytes up to a NUL, as C has them.
pub(crate) fn c_string(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Actions that are names of restrictions as well.
const RESTRICTIONS: [&str; 5] = [
    "permit",
    "reject",
    "defer",
    "defer_if_permit",
    "defer_if_reject",
];
