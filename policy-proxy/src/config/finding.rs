//! A fault of a configuration file: where it is, what was found, and what was probably meant.

use std::{ops::Range, path::PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use policy_daemon::log::printable;

/// A file that was read.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A part of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    /// The index of its [`Source`].
    pub(crate) source: usize,
    pub(crate) span: Range<usize>,
}

/// A fault of a configuration file.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) place: Place,
    /// What is wrong.
    pub(crate) title: String,
    /// A word about what stands there.
    pub(crate) label: String,
    /// What was probably meant.
    pub(crate) help: Option<String>,
}

/// Faults of configuration files, in the order of the files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Findings {
    /// One line each: `FILE:LINE:COLUMN: error: TEXT`.
    pub lines: Vec<String>,
    /// Each with its line of the file, in the manner of rustc, for a person at a terminal.
    pub text: String,
}

impl Findings {
    pub(crate) fn new(mut findings: Vec<Finding>, sources: &[Source]) -> Self {
        findings.sort_by_key(|finding| (finding.place.source, finding.place.span.start));
        let more = findings.len().saturating_sub(MAX_SHOWN);
        findings.truncate(MAX_SHOWN);
        let lines = findings.iter().map(|finding| finding.line(sources));
        let texts = findings.iter().map(|finding| finding.text(sources));
        let (mut lines, mut text): (Vec<String>, String) = (lines.collect(), texts.collect());
        if more > 0 {
            let rest = format!("error: {more} more faults");
            text += &rest;
            text.push('\n');
            lines.push(rest);
        }
        Self { lines, text }
    }
}

impl Source {
    /// `FILE:LINE:COLUMN` of a byte; columns count characters.
    pub(crate) fn position(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default();
        let column = column.chars().count() + 1;
        let path = printable(self.path.as_os_str().as_encoded_bytes());
        format!("{path}:{line}:{column}")
    }
}

impl Finding {
    fn line(&self, sources: &[Source]) -> String {
        let position = sources
            .get(self.place.source)
            .map(|source| source.position(self.place.span.start));
        let position = position.unwrap_or_default();
        let label = match self.label.as_str() {
            "" => String::new(),
            label => format!(": {label}"),
        };
        let help = match &self.help {
            Some(help) => format!(" ({help})"),
            None => String::new(),
        };
        printable(format!("{position}: error: {}{label}{help}", self.title))
    }

    fn text(&self, sources: &[Source]) -> String {
        let Some(source) = sources.get(self.place.source) else {
            return String::new();
        };
        let (title, label) = (printable(&self.title), printable(&self.label));
        let path = printable(source.path.as_os_str().as_encoded_bytes());
        let (text, span) = shown(&source.text, &self.place.span);
        let snippet = Snippet::source(text)
            .path(path)
            .annotation(AnnotationKind::Primary.span(span).label(label));
        let mut groups = vec![Level::ERROR.primary_title(title).element(snippet)];
        if let Some(help) = &self.help {
            groups.push(Group::with_title(
                Level::HELP.secondary_title(printable(help)),
            ));
        }
        format!("{}\n\n", Renderer::plain().render(&groups))
    }
}

/// The text without characters that a terminal obeys, and the part of it, which is not empty.
fn shown(text: &str, span: &Range<usize>) -> (String, Range<usize>) {
    let mut shown = String::with_capacity(text.len() + 1);
    let (mut start, mut end) = (None, None);
    for (at, character) in text.char_indices() {
        if at >= span.start {
            start.get_or_insert(shown.len());
        }
        if at >= span.end {
            end.get_or_insert(shown.len());
        }
        if matches!(character, '\n' | '\t') || !character.is_control() {
            shown.push(character);
        } else {
            shown.extend(character.escape_default());
        }
    }
    let start = start.unwrap_or(shown.len());
    let end = end.unwrap_or(shown.len());
    // A place without a length is shown as the character there.
    let next = shown.get(start..).and_then(|rest| rest.chars().next());
    let width = next.filter(|next| *next != '\n').map_or(0, char::len_utf8);
    (shown, start..end.max(start + width))
}

/// More faults than somebody mends at once. Each is shown with a look at all that is before it.
const MAX_SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_marked_as_it_is_shown() {
        let text = "a = \"\u{1b}[31m\"\nb = 1\n";
        let (shown_text, span) = shown(text, &(4..text.find('\n').unwrap()));
        assert_eq!(shown_text, "a = \"\\u{1b}[31m\"\nb = 1\n");
        assert_eq!(&shown_text[span], "\"\\u{1b}[31m\"");
        let (_, span) = shown("ab", &(1..1));
        assert_eq!(span, 1..2, "no place is without a length");
        let (_, span) = shown("ab", &(2..2));
        assert_eq!(span, 2..2, "but for the end");
    }
}
