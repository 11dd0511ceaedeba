//! Logical lines of Postfix's tables: what begins with a blank goes on with the line before; `#` begins a comment line.

/// The number of its first line, and the text.
pub(super) fn logical_lines(bytes: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut lines: Vec<(usize, Vec<u8>)> = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let text = line.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        match lines.last_mut() {
            // Blanks within a line stay as they are, those at its end go.
            Some((_, last)) if line.first().is_some_and(u8::is_ascii_whitespace) => {
                last.extend_from_slice(line);
            }
            _ => lines.push((index + 1, line.trim_ascii_start().to_vec())),
        }
    }
    for (_, line) in &mut lines {
        line.truncate(line.trim_ascii_end().len());
    }
    lines
}

/// A line's first word and the rest.
pub(super) fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(end).unwrap_or((line, b""));
    (word, rest.trim_ascii())
}
