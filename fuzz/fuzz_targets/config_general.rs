//! Config::General's grammar: a text is read as by a naive reading of the rules, which has another shape: it rewrites the text
//! step by step, and then reads one line after the other.

#![no_main]
#![allow(
    unreachable_pub,
    unused_imports,
    reason = "the parser is a module of mtpolicyd, whose databases a fuzz target does without"
)]

#[path = "../../mtpolicyd/src/config_general/mod.rs"]
mod config_general;

use config_general::{Block, Value, read_text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    // Files that a text includes are not the matter here.
    if text.to_ascii_lowercase().contains("include") {
        return;
    }
    let found = read_text("fuzz", text).map(|parsed| tree(&parsed.root));
    let expected = naive(text);
    match (found, expected) {
        (Ok(found), Some(expected)) => assert_eq!(found, expected),
        (Err(_), None) => {}
        (found, expected) => panic!("found {found:?}, expected {expected:?}"),
    }
});

/// A key and its value; a block is a list.
#[derive(Debug, PartialEq)]
enum Node {
    Absent,
    Text(String),
    List(Vec<(String, Node)>),
}

type List = Vec<(String, Node)>;

fn tree(block: &Block) -> List {
    let node = |value: &Value| match value {
        Value::Absent => Node::Absent,
        Value::Text(text) => Node::Text(text.clone()),
        Value::Block(block) => Node::List(tree(block)),
    };
    let entries = block.entries.iter();
    entries
        .map(|entry| (entry.key.clone(), node(&entry.value)))
        .collect()
}

const BLANKS: &[char] = &[' ', '\t', '\n', '\x0b', '\x0c', '\r'];

/// A line that is ready to be nested: a here document has its key apart.
enum Ready {
    Line(String),
    Here(String, String),
}

fn naive(text: &str) -> Option<List> {
    let lines = rewrite(text);
    let mut stack: Vec<(String, Option<String>, List)> = vec![(String::new(), None, Vec::new())];
    for line in &lines {
        let Ready::Line(line) = line else {
            let Ready::Here(key, body) = line else {
                continue;
            };
            put(
                &mut stack.last_mut()?.2,
                key.clone(),
                Node::Text(unquoted(body.trim_matches(BLANKS))),
            )?;
            continue;
        };
        let line = line.trim_matches(BLANKS);
        let inner = line
            .strip_prefix('<')
            .and_then(|line| line.strip_suffix('>'))
            .unwrap_or("");
        if inner.len() > 1 && inner.starts_with('/') {
            if stack.len() < 2 {
                return None;
            }
            let (kind, name, list) = stack.pop()?;
            let around = &mut stack.last_mut()?.2;
            match name {
                None => put(around, kind, Node::List(list))?,
                Some(name) => {
                    if !around.iter().any(|(key, _)| *key == kind) {
                        around.push((kind.clone(), Node::List(Vec::new())));
                    }
                    let repeats = kind == "VirtualHost";
                    let Some((_, Node::List(named))) =
                        around.iter_mut().find(|(key, _)| *key == kind)
                    else {
                        return None;
                    };
                    if repeats {
                        named.push((name, Node::List(list)));
                    } else {
                        put(named, name, Node::List(list))?;
                    }
                }
            }
        } else if !inner.is_empty() && !inner.starts_with('/') {
            if stack.len() >= 64 {
                return None;
            }
            let (kind, name) = type_and_name(inner);
            stack.push((kind, name, Vec::new()));
        } else {
            let (key, value) = pair(line);
            put(&mut stack.last_mut()?.2, key, value)?;
        }
    }
    (stack.len() == 1).then(|| stack.swap_remove(0).2)
}

fn put(list: &mut List, key: String, node: Node) -> Option<()> {
    if list.iter().any(|(known, _)| *known == key) {
        return None;
    }
    list.push((key, node));
    Some(())
}

fn pair(line: &str) -> (String, Node) {
    let end = line
        .find(|char| BLANKS.contains(&char) || char == '=')
        .unwrap_or(line.len());
    let rest = line[end..].trim_start_matches(BLANKS);
    if end == line.len() {
        return (line.to_owned(), Node::Absent);
    }
    let value = rest
        .strip_prefix('=')
        .map_or(rest, |rest| rest.trim_start_matches(BLANKS));
    (line[..end].to_owned(), Node::Text(unquoted(value)))
}

fn unquoted(value: &str) -> String {
    let mut value = value;
    if value.starts_with('"') && value.ends_with('"') {
        value = &value[1..];
        value = value.strip_suffix('"').unwrap_or(value);
    }
    let (mut out, mut rest) = (String::new(), value);
    while let Some(char) = rest.chars().next() {
        let is_escape = char == '\\' && rest[1..].starts_with(['$', '\\', '"', '#']);
        rest = if is_escape { &rest[1..] } else { rest };
        let char = rest.chars().next().unwrap_or_default();
        out.push(char);
        rest = &rest[char.len_utf8()..];
    }
    out
}

fn type_and_name(inner: &str) -> (String, Option<String>) {
    let is_word = |text: &str| {
        text.len() > 2 && text.starts_with('"') && text[1..].find('"') == Some(text.len() - 2)
    };
    if is_word(inner) {
        return (inner[1..inner.len() - 1].to_owned(), None);
    }
    if inner.starts_with(BLANKS) {
        return (inner.to_owned(), None);
    }
    let mut split = inner.find(BLANKS).unwrap_or(inner.len());
    let mut kind = &inner[..split];
    if let Some(end) = inner.strip_prefix('"').and_then(|rest| rest.find('"'))
        && end > 0
        && inner[end + 2..].starts_with(BLANKS)
    {
        (kind, split) = (&inner[1..=end], end + 2);
    }
    if split == inner.len() {
        return (kind.to_owned(), None);
    }
    let name = inner[split..].trim_start_matches(BLANKS);
    let name = if is_word(name) {
        &name[1..name.len() - 1]
    } else {
        name
    };
    let is_zero = name == "0" && inner.ends_with('"');
    (kind.to_owned(), (!is_zero).then(|| name.to_owned()))
}

/// Removes comments, joins lines and collects here documents.
fn rewrite(text: &str) -> Vec<Ready> {
    let mut out = Vec::new();
    let (mut comment, mut long) = (false, None::<String>);
    let mut lines = text
        .split_inclusive('\n')
        .map(|line| line.strip_suffix('\n').unwrap_or(line));
    while let Some(line) = lines.next() {
        let mut line = line.to_owned();
        if let (Some(begin), Some(end)) = (line.find("/*"), line.rfind("*/"))
            && begin + 2 <= end
        {
            line = line[..begin].trim_end_matches(BLANKS).to_owned()
                + line[end + 2..].trim_start_matches(BLANKS);
        } else if line.trim_start_matches(BLANKS).starts_with("/*") {
            comment = !line.trim_end_matches(BLANKS).ends_with("*/");
        } else if let Some(end) = line.rfind("*/") {
            comment = false;
            line = line[end + 2..].to_owned();
        }
        if comment {
            continue;
        }
        let hash = (0..line.len()).find(|at| {
            line.as_bytes()[*at] == b'#' && (*at == 0 || line.as_bytes()[at - 1] != b'\\')
        });
        line.truncate(hash.unwrap_or(line.len()));
        if line.ends_with('\\') && !line.ends_with("\\\\") {
            line.pop();
            long = Some(long.unwrap_or_default() + line.trim_start_matches(BLANKS));
            continue;
        }
        if let Some((open, close)) = empty_block(&line) {
            out.extend([Ready::Line(open), Ready::Line(close)]);
            continue;
        }
        if let Some((key, tag)) = here(&line) {
            if key == "0" {
                continue;
            }
            let mut body = Vec::new();
            for line in lines.by_ref() {
                let rest = line.trim_start_matches(BLANKS);
                let indent = &line[..line.len() - rest.len()];
                let is_blank_tag = tag.trim_matches(BLANKS).is_empty();
                let is_end = if is_blank_tag {
                    !line.is_empty() && rest.is_empty()
                } else {
                    rest.strip_prefix(&tag)
                        .is_some_and(|rest| rest.trim_matches(BLANKS).is_empty())
                };
                if is_end {
                    let strip = |line: &&str| line.strip_prefix(indent).unwrap_or(line).to_owned();
                    let body: Vec<String> = body.iter().map(strip).collect();
                    out.push(Ready::Here(key, body.join("\n")));
                    break;
                }
                body.push(line);
            }
            continue;
        }
        if long
            .as_deref()
            .is_some_and(|long| !long.is_empty() && long != "0")
        {
            out.push(Ready::Line(
                long.take().unwrap_or_default() + line.trim_start_matches(BLANKS),
            ));
        } else if !line.trim_matches(BLANKS).is_empty() {
            out.push(Ready::Line(line));
        }
    }
    out
}

fn here(line: &str) -> Option<(String, String)> {
    let tag = |text: &str| {
        let text = text.trim_start_matches(BLANKS).strip_prefix("<<")?;
        let tag = text.trim_matches(BLANKS);
        if tag.is_empty() {
            text.chars().last().map(String::from)
        } else {
            Some(tag.to_owned())
        }
    };
    if let Some(at) = line.find('=').filter(|at| *at > 0)
        && let Some(tag) = tag(&line[at + 1..])
    {
        return Some((line[..at].trim_matches(BLANKS).to_owned(), tag));
    }
    let line = line.trim_start_matches(BLANKS);
    let at = line.find(BLANKS)?;
    Some((line[..at].to_owned(), tag(&line[at..])?))
}

fn empty_block(line: &str) -> Option<(String, String)> {
    let trimmed = line.trim_end_matches(BLANKS);
    let end = trimmed.strip_suffix("/>")?.len();
    for at in (0..end).filter(|at| line.as_bytes()[*at] == b'<') {
        let inner = &line[at + 1..end];
        if !inner.is_empty() && !inner.starts_with('/') {
            let open = if trimmed.len() == line.len() {
                format!("{}>", &line[..end])
            } else {
                line.to_owned()
            };
            let kind = inner.split(BLANKS).next().unwrap_or_default();
            return Some((open, format!("</{kind}>")));
        }
    }
    None
}
