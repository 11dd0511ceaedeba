//! PostgreSQL's placeholders: each `?` outside of quotes and comments becomes `$1`, `$2` and so on.

/// The query in PostgreSQL's form.
///
/// Quoted are `'..'` (with `\` as an escape after `E`), `".."`, and `$tag$..$tag$`; comments are `--` and `/* */`, which
/// may lie in each other. `??` is the operator `?`.
pub(super) fn numbered(query: &str) -> String {
    let mut out = String::with_capacity(query.len() + 16);
    let mut rest = query;
    let mut count = 0_u32;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest, out.as_bytes().last().copied());
        if length > 0 {
            let (skipped, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            out.push_str(skipped);
            rest = after;
        } else if let Some(after) = rest.strip_prefix("??") {
            out.push('?');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('?') {
            count += 1;
            out.push_str(&format!("${count}"));
            rest = after;
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

/// How many bytes a text or a comment takes that begins here; 0 if none does. One without an end goes to the last byte.
fn skipped(rest: &str, before: Option<u8>) -> usize {
    let bytes = rest.as_bytes();
    match bytes {
        [b'\'', ..] => quoted(bytes, b'\'', matches!(before, Some(b'e' | b'E'))),
        [b'"', ..] => quoted(bytes, b'"', false),
        [b'-', b'-', ..] => rest.find('\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => comment(bytes),
        // A `$` within a name is part of it.
        [b'$', ..] if !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
            dollar_quoted(rest)
        }
        _ => 0,
    }
}

/// A doubled quote ends a text and begins the next one, which comes to the same.
fn quoted(bytes: &[u8], quote: u8, escapes: bool) -> usize {
    let mut is_escaped = false;
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        if is_escaped {
            is_escaped = false;
        } else if escapes && *byte == b'\\' {
            is_escaped = true;
        } else if *byte == quote {
            // Still escapes: the next half of a doubled one is not preceded by its `E`.
            if escapes && bytes.get(at + 1) == Some(&quote) {
                is_escaped = true;
                continue;
            }
            return at + 1;
        }
    }
    bytes.len()
}

fn comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0_u32, 0);
    loop {
        match bytes.get(at..).unwrap_or_default() {
            [b'/', b'*', ..] => {
                depth += 1;
                at += 2;
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            [_, ..] => at += 1,
            [] => return bytes.len(),
        }
    }
}

fn dollar_quoted(rest: &str) -> usize {
    let tag = rest
        .get(1..)
        .and_then(|after| after.find('$'))
        .and_then(|end| rest.get(..end + 2));
    let Some(tag) = tag else {
        return 0;
    };
    let name = tag.trim_matches('$');
    let is_name = name
        .chars()
        .all(|char| char.is_alphanumeric() || char == '_')
        && !name.starts_with(|first: char| first.is_ascii_digit());
    if !is_name {
        return 0;
    }
    let text = rest.get(tag.len()..).unwrap_or_default();
    text.find(tag)
        .map_or(rest.len(), |end| tag.len() + end + tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_question_marks_outside_of_quotes_and_comments_are_placeholders() {
        for (query, expected) in [
            ("SELECT ?", "SELECT $1"),
            ("a=? AND b=?", "a=$1 AND b=$2"),
            ("a='?' AND b=?", "a='?' AND b=$1"),
            ("a='it''s ?' AND b=?", "a='it''s ?' AND b=$1"),
            (r"a='\' AND b=?", r"a='\' AND b=$1"),
            (r"a=E'\'?' AND b=?", r"a=E'\'?' AND b=$1"),
            (r"a=E'''?' AND b=?", r"a=E'''?' AND b=$1"),
            (r#"a"?"=? "#, r#"a"?"=$1 "#),
            ("? -- ?\n?", "$1 -- ?\n$2"),
            ("? /* ? /* ? */ ? */ ?", "$1 /* ? /* ? */ ? */ $2"),
            ("$$?$$ ?", "$$?$$ $1"),
            ("$a$ ? $$ ? $a$ ?", "$a$ ? $$ ? $a$ $1"),
            ("a$b$ ?", "a$b$ $1"),
            ("json ?? ?", "json ? $1"),
            ("'open ?", "'open ?"),
            ("/* open ?", "/* open ?"),
            ("é? ü", "é$1 ü"),
            ("a - ? / ? * ?", "a - $1 / $2 * $3"),
            ("", ""),
        ] {
            assert_eq!(numbered(query), expected);
        }
    }
}
