//! One logical line on its way from the files to the tree.

use super::{
    Place,
    text::{is_blank, trim, trim_end, trim_start},
};

/// A logical line: comments are gone and continued lines are joined.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) text: Text,
    pub(super) place: Place,
}

/// The text of a logical line.
#[derive(Clone, Debug)]
pub(super) enum Text {
    /// One line.
    Plain(String),
    /// A key and its here document.
    Here(String, String),
}

/// What a logical line means for the nesting of blocks.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Kind<'a> {
    /// `<...>`, with what stands between.
    Open(&'a str),
    /// `</...>`, with what stands between.
    Close(&'a str),
    /// Anything else.
    Option,
}

impl Line {
    pub(super) fn kind(&self) -> Kind<'_> {
        let Text::Plain(text) = &self.text else {
            return Kind::Option;
        };
        let Some(inner) = trim(text)
            .strip_prefix('<')
            .and_then(|text| text.strip_suffix('>'))
        else {
            return Kind::Option;
        };
        match inner.strip_prefix('/') {
            Some("") => Kind::Option,
            Some(name) => Kind::Close(name),
            None if inner.is_empty() => Kind::Option,
            None => Kind::Open(inner),
        }
    }

    /// The key and the value. The first `=` with the blanks around it, or the first blanks, stand between them.
    pub(super) fn option(&self) -> (String, Option<String>) {
        match &self.text {
            Text::Here(key, body) => (trim(key).to_owned(), Some(unquote(trim(body)))),
            Text::Plain(text) => {
                let text = trim(text);
                let Some(at) = text.find(|char| char == '=' || is_blank(char)) else {
                    return (text.to_owned(), None);
                };
                let (key, rest) = text.split_at(at);
                let rest = trim_start(rest);
                let value = rest.strip_prefix('=').map_or(rest, trim_start);
                (key.to_owned(), Some(unquote(value)))
            }
        }
    }
}

/// Removes a quote at both ends, and the backslash of `\$`, `\\`, `\"` and `\#`.
fn unquote(value: &str) -> String {
    let value = match value.strip_prefix('"') {
        Some(rest) if value.ends_with('"') => rest.strip_suffix('"').unwrap_or(rest),
        _ => value,
    };
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(char) = chars.next() {
        let escaped = chars.next_if(|next| char == '\\' && matches!(next, '$' | '\\' | '"' | '#'));
        out.push(escaped.unwrap_or(char));
    }
    out
}

/// The type and the name of a block. Each may be quoted; a quoted type that stands alone is not split.
pub(super) fn type_and_name(inner: &str) -> (String, Option<String>) {
    let unsplit = || (inner.to_owned(), None);
    if let Some(quoted) = quoted(inner) {
        return (quoted.to_owned(), None);
    }
    if inner.starts_with(is_blank) {
        return unsplit();
    }
    let (kind, rest) = match split_quoted(inner) {
        Some(split) => split,
        None => inner.split_at(inner.find(is_blank).unwrap_or(inner.len())),
    };
    if rest.is_empty() {
        return (kind.to_owned(), None);
    }
    let name = trim_start(rest);
    let name = match quoted(name) {
        // Perl takes "0" for no name.
        Some("0") => return (kind.to_owned(), None),
        Some(quoted) => quoted,
        None => name,
    };
    (kind.to_owned(), Some(name.to_owned()))
}

/// A text that is one quoted word, without the quotes.
fn quoted(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.is_empty() && !inner.contains('"')).then_some(inner)
}

/// A quoted word, and what follows it after a blank.
fn split_quoted(text: &str) -> Option<(&str, &str)> {
    let (word, rest) = text.strip_prefix('"')?.split_once('"')?;
    (!word.is_empty() && rest.starts_with(is_blank)).then_some((word, rest))
}

/// Cuts a comment: the first `#` without a backslash before it, and what follows. True if there was one.
pub(super) fn cut_comment(line: &mut String) -> bool {
    let mut before = None;
    let at = line.char_indices().find_map(|(at, char)| {
        let is_comment = char == '#' && before != Some('\\');
        before = Some(char);
        is_comment.then_some(at)
    });
    if let Some(at) = at {
        line.truncate(at);
    }
    at.is_some()
}

/// The name and the end of a here document, if a line begins one.
pub(super) fn here_document(line: &str) -> Option<(String, String)> {
    let after_equals = line.split_once('=').and_then(|(key, rest)| {
        let tag = here_tag(trim_start(rest))?;
        (!key.is_empty()).then(|| (trim(key).to_owned(), tag))
    });
    after_equals.or_else(|| {
        let line = trim_start(line);
        let (key, rest) = line.split_at(line.find(is_blank)?);
        Some((key.to_owned(), here_tag(trim_start(rest))?))
    })
}

fn here_tag(text: &str) -> Option<String> {
    let text = text.strip_prefix("<<")?;
    let tag = trim(text);
    if tag.is_empty() {
        // The last blank is the tag, if there is one.
        return text.chars().last().map(String::from);
    }
    Some(tag.to_owned())
}

/// `<Type name/>`: the line that opens the block, and its type. It may stand after something else.
pub(super) fn empty_block(line: &str) -> Option<(String, String)> {
    let body = trim_end(line).strip_suffix("/>")?;
    let at = body.match_indices('<').map(|(at, _)| at + 1).find(|at| {
        body.get(*at..)
            .is_some_and(|inner| !inner.is_empty() && !inner.starts_with('/'))
    })?;
    let inner = body.get(at..)?;
    let open = line
        .strip_suffix("/>")
        .map_or_else(|| line.to_owned(), |start| format!("{start}>"));
    let kind = inner.split(is_blank).next().unwrap_or_default();
    Some((open, format!("</{kind}>")))
}
