//! Values for the lines, and a reader of what is written of them.

use proptest::prelude::*;

/// Any bytes that an attribute may have, most of them pieces of a line's own syntax.
pub(super) fn value(syntax: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let common = [
        " ", "\"", "\\", "...", "\u{a0}", "\u{85}", "\u{202e}", "\t", "x", "a@b",
    ];
    let piece = prop_oneof![
        2 => prop::sample::select(syntax),
        2 => prop::sample::select(common.to_vec()),
    ];
    let piece = prop_oneof![
        4 => piece.prop_map(|piece| piece.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| {
        let mut value = pieces.concat();
        value.retain(|byte| !matches!(byte, 0 | b'\n' | b'\r'));
        value
    })
}

/// The bytes that a field stands for; `None` where a backslash begins no escape.
pub(super) fn unescaped(field: &str) -> Option<Vec<u8>> {
    let mut parts = field.split('\\');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let code = part.strip_prefix('x')?.get(..2)?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend_from_slice(part.get(3..)?.as_bytes());
    }
    Some(bytes)
}

/// Whether a field shows this value, or its beginning and `...`. Control characters are shown as `?`.
pub(super) fn is_shown(value: &[u8], field: &[u8]) -> bool {
    let written = |byte: &u8| if byte.is_ascii_control() { b'?' } else { *byte };
    let value: Vec<u8> = value.iter().map(written).collect();
    let cut = field
        .strip_suffix(b"...")
        .filter(|start| start.len() < value.len());
    field == value || cut.is_some_and(|start| value.starts_with(start))
}
