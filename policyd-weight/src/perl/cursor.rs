//! A place in a configuration's text: what comes next, without blanks, comments and POD.

use super::{Problem, problem::line};

/// Reads a text from its beginning to its end.
#[derive(Debug)]
pub(super) struct Cursor {
    text: Vec<char>,
    position: usize,
}

impl Cursor {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.chars().collect(),
            position: 0,
        }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn problem(&self, position: usize, message: impl Into<String>) -> Problem {
        Problem::at(&self.text, position, message)
    }

    /// The text of the line of a position.
    pub(super) fn line(&self, position: usize) -> String {
        line(&self.text, position)
    }

    /// The text from a position up to here.
    pub(super) fn text_since(&self, begin: usize) -> String {
        self.text.iter().take(self.position).skip(begin).collect()
    }

    pub(super) fn char_at(&self, position: usize) -> Option<char> {
        self.text.get(position).copied()
    }

    /// The next character as it stands.
    pub(super) fn peek(&self) -> Option<char> {
        self.ahead(0)
    }

    pub(super) fn ahead(&self, count: usize) -> Option<char> {
        self.text.get(self.position + count).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position += 1;
        Some(c)
    }

    pub(super) fn advance(&mut self, count: usize) {
        self.position = (self.position + count).min(self.text.len());
    }

    /// Goes to the line behind that of a position.
    pub(super) fn go_behind_line(&mut self, position: usize) {
        self.position = position;
        while self.next().is_some_and(|found| found != '\n') {}
    }

    /// Whether the text goes on so.
    pub(super) fn is_at(&self, text: &str) -> bool {
        text.chars()
            .enumerate()
            .all(|(index, c)| self.ahead(index) == Some(c))
    }

    /// Passes over a text, if it comes next after blanks.
    pub(super) fn take(&mut self, text: &str) -> bool {
        self.skip_blanks();
        let is_at = self.is_at(text);
        if is_at {
            self.advance(text.len());
        }
        is_at
    }

    /// Passes over blanks, comments, and documentation between `=word` and `=cut` at the beginnings of lines.
    pub(super) fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(c) if c.is_ascii_whitespace() || c == '\x0b' => self.position += 1,
                Some('#') => self.skip_line(),
                Some('=')
                    if self.begins_line()
                        && self.ahead(1).is_some_and(|c| c.is_ascii_alphabetic()) =>
                {
                    while self.peek().is_some() && !self.is_at("=cut") {
                        self.skip_line();
                        self.advance(1);
                    }
                    self.skip_line();
                }
                _ => return,
            }
        }
    }

    fn begins_line(&self) -> bool {
        let before = self.position.checked_sub(1);
        before.is_none_or(|before| self.text.get(before) == Some(&'\n'))
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|c| c != '\n') {
            self.position += 1;
        }
    }

    /// The name that comes next: letters, digits, `_`, and `::` between them. Empty if there is none.
    pub(super) fn word(&mut self) -> String {
        let word = self.peek_word();
        self.advance(word.chars().count());
        word
    }

    pub(super) fn peek_word(&self) -> String {
        let mut word = String::new();
        let mut at = 0;
        loop {
            match self.ahead(at) {
                Some(c) if c.is_ascii_alphabetic() || c == '_' => word.push(c),
                Some(c) if c.is_ascii_digit() && !word.is_empty() => word.push(c),
                Some(':')
                    if self.ahead(at + 1) == Some(':')
                        && self
                            .ahead(at + 2)
                            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_') =>
                {
                    word.push_str("::");
                    at += 1;
                }
                _ => return word,
            }
            at += 1;
        }
    }

    /// What is between delimiters, of which the first comes next: pairs of brackets nest, and a backslash keeps the
    /// next character from ending it. Backslashes stay, but before a delimiter.
    pub(super) fn delimited(&mut self, what: &str) -> Result<Delimited, Problem> {
        let start = self.position;
        let Some(open) = self.next() else {
            return Err(self.problem(start, format!("the file ends within {what}")));
        };
        let close = match open {
            '(' => ')',
            '[' => ']',
            '{' => '}',
            '<' => '>',
            other => other,
        };
        let (mut text, mut depth) = (String::new(), 0);
        let content = self.position;
        loop {
            match self.next() {
                None => {
                    let message =
                        format!("{what} that begins here has no end: `{close}` is missing");
                    return Err(self.problem(start, message));
                }
                Some('\\') => match self.next() {
                    Some(c) if (c == close || c == open) && close == open => text.push(c),
                    Some(c) => text.extend(['\\', c]),
                    None => text.push('\\'),
                },
                Some(c) if c == close && depth == 0 => break,
                Some(c) => {
                    if c == close {
                        depth -= 1;
                    } else if c == open && close != open {
                        depth += 1;
                    }
                    text.push(c);
                }
            }
        }
        Ok(Delimited {
            text,
            open,
            position: content,
        })
    }
}

/// A text between delimiters.
#[derive(Debug)]
pub(super) struct Delimited {
    pub(super) text: String,
    pub(super) open: char,
    /// Where the text begins.
    pub(super) position: usize,
}
