//! `texthash:`: a key and its value on each line.

use std::collections::HashMap;

use super::{
    MapError,
    lines::{logical_lines, split_word},
};

pub(super) fn read(bytes: &[u8]) -> Result<HashMap<Vec<u8>, Vec<u8>>, MapError> {
    let mut keys = HashMap::new();
    for (line, text) in logical_lines(bytes) {
        let (key, value) = split_key(&text);
        if value.is_empty() {
            let key = key.escape_ascii();
            return Err(MapError::Line {
                line,
                what: format!("`{key}` has no value"),
            });
        }
        keys.insert(key.to_ascii_lowercase(), value.to_vec());
    }
    Ok(keys)
}

/// Since Postfix 3.2 a key may be quoted.
fn split_key(line: &[u8]) -> (Vec<u8>, &[u8]) {
    let quoted = line.strip_prefix(b"\"").and_then(|rest| {
        let mut key = Vec::new();
        let mut bytes = rest.iter().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'"' => return Some((key, rest.get(at + 1..)?.trim_ascii())),
                b'\\' => key.push(*bytes.next()?.1),
                byte => key.push(*byte),
            }
        }
        None
    });
    quoted.unwrap_or_else(|| {
        let (key, value) = split_word(line);
        (key.to_vec(), value)
    })
}
