//! `texthash:`: a key and its value on each line.

use std::collections::HashMap;

use super::{MapError, lines::logical_lines};

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

/// A key ends with the first blank that is not within double quotes; quotes are a part of it.
fn split_key(line: &[u8]) -> (&[u8], &[u8]) {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let end = line.iter().position(|byte| {
        if is_escaped {
            is_escaped = false;
        } else if is_quoted && *byte == b'\\' {
            is_escaped = true;
        } else if *byte == b'"' {
            is_quoted = !is_quoted;
        }
        byte.is_ascii_whitespace() && !is_quoted
    });
    let (key, value) = end
        .and_then(|end| line.split_at_checked(end))
        .unwrap_or((line, b""));
    (key, value.trim_ascii())
}
