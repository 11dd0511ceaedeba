//! The answers in the bytes of a connection, as Postfix's `attr_scan_plain.c` reads them.
//!
//! An answer is lines up to an empty one, which ends with LF alone. Its first `action=` counts. Other lines are skipped,
//! whatever they are, and no line is too long.

use std::{borrow::Cow, mem};

use bytes::Bytes;
use memchr::{memchr, memchr3};

mod action;
pub(crate) use action::{is_within_value, names_table, restriction, text};

mod words;
pub(crate) use words::shown;
pub use words::{Fault, Flaw, Oddity, Unusual};

/// An answer that Postfix takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer<'a> {
    /// The text of its action: up to a NUL byte, and without a carriage return at its end.
    pub action: Cow<'a, [u8]>,
    /// What others may not take.
    pub unusual: Option<Unusual>,
}

/// Finds one answer after the other, in whatever pieces they come.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// The beginning of the line that has not come to its end, and how many bytes of it there were.
    line: Vec<u8>,
    line_size: usize,
    /// The last line that has, with its line feed.
    last: Vec<u8>,
    /// Bytes of the answer.
    size: usize,
    /// The line of its first action, without its line feed.
    action: Option<Vec<u8>>,
    /// The first line besides that.
    skipped: Option<Bytes>,
    /// It is none, which was told: the rest of it, up to its empty line, is nothing.
    is_told: bool,
    /// It has come to its end: the next byte is another one's.
    is_done: bool,
}

impl Answer<'_> {
    /// The same, which borrows nothing.
    pub(crate) fn into_owned(self) -> Answer<'static> {
        Answer {
            action: Cow::Owned(self.action.into_owned()),
            unusual: self.unusual,
        }
    }
}

impl Answers {
    /// The next answer that comes to its end in these bytes, or why it is none; what is left of them has come after it.
    pub(crate) fn next<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
    ) -> Option<Result<Answer<'a>, Fault>> {
        self.begin();
        let mut rest = *bytes;
        if self.size == 0
            && let Some((value, rest)) = plain(rest)
        {
            *bytes = rest;
            return Some(Ok(Answer {
                action: Cow::Borrowed(value),
                unusual: None,
            }));
        }
        while let Some(end) = memchr(b'\n', rest) {
            let (part, after) = rest.split_at(end + 1);
            rest = after;
            *bytes = rest;
            self.keep(part);
            match self.end_line() {
                Line::Inner => {}
                Line::Fault(fault) => return Some(Err(fault)),
                Line::Empty if self.is_told => self.begin(),
                Line::Empty => return Some(self.outcome()),
            }
        }
        self.keep(rest);
        *bytes = &[];
        None
    }

    /// The beginning of the last line of an answer that has begun and not ended; with its line feed, if that has come.
    pub(crate) fn unfinished(&self) -> Option<&[u8]> {
        let line = if self.line.is_empty() {
            &self.last
        } else {
            &self.line
        };
        (!self.is_done && self.size > 0).then_some(line)
    }

    /// The first line besides the action of an answer that has begun.
    pub(crate) fn skipped(&self) -> Option<&Bytes> {
        self.skipped.as_ref()
    }

    /// Forgets what has come.
    pub(crate) fn clear(&mut self) {
        self.is_done = true;
        self.begin();
    }

    /// Begins another answer, if the one before has ended.
    fn begin(&mut self) {
        if !self.is_done {
            return;
        }
        self.line.clear();
        self.line_size = 0;
        self.last.clear();
        self.size = 0;
        self.action = None;
        self.skipped = None;
        self.is_told = false;
        self.is_done = false;
    }

    fn keep(&mut self, part: &[u8]) {
        let room = MAX_LINE.saturating_sub(self.line.len());
        self.line.extend(part.iter().take(room));
        self.line_size += part.len();
        self.size += part.len();
    }

    /// The line has ended.
    fn end_line(&mut self) -> Line {
        let size = mem::take(&mut self.line_size);
        let line = mem::take(&mut self.line);
        if size == 1 {
            self.is_done = true;
            return Line::Empty;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let (name, value) = action::attribute(text);
        match (&self.action, value) {
            (None, Some(_)) if action::is_action(name) => {
                let is_cut = text.len() + 1 < size;
                self.action = Some(if is_cut { whole(text) } else { text }.to_vec());
            }
            (None, None) if action::is_action(name) && !self.is_told => {
                self.is_told = true;
                return Line::Fault(Flaw::NoValue.of(text));
            }
            _ if self.skipped.is_none() => self.skipped = Some(Bytes::copy_from_slice(text)),
            _ => {}
        }
        self.last = line;
        Line::Inner
    }

    /// What the answer is that has come to its end.
    fn outcome(&self) -> Result<Answer<'_>, Fault> {
        let Some(line) = &self.action else {
            let last = self.last.strip_suffix(b"\n").unwrap_or(&self.last);
            return Err(Flaw::NoAction.of(last));
        };
        let (action, oddity) = action::read(line).map_err(|flaw| flaw.of(line))?;
        let unusual = if let Some(skipped) = &self.skipped {
            Some(Oddity::Skipped.of(skipped))
        } else if let Some(oddity) = oddity {
            Some(oddity.of(line))
        } else {
            (self.size > USUAL).then(|| Oddity::Long(self.size).of(line))
        };
        Ok(Answer {
            action: Cow::Borrowed(action),
            unusual,
        })
    }
}

/// A line that has ended.
enum Line {
    /// It ends the answer.
    Empty,
    /// It makes the answer none.
    Fault(Fault),
    Inner,
}

/// The action of an answer as all servers send it, and what has come after it.
fn plain(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(b"action=")?;
    let end = memchr3(b'\n', b'\r', 0, rest)?;
    let (value, rest) = rest.split_at(end);
    let rest = rest.strip_prefix(b"\n\n")?;
    let is_usual = value.first().is_some_and(u8::is_ascii_alphanumeric)
        && value.is_ascii()
        && !names_table(value);
    (end < USUAL && is_usual).then_some((value, rest))
}

/// A line that was cut, up to its last whole character.
fn whole(line: &[u8]) -> &[u8] {
    match str::from_utf8(line) {
        Err(error) if error.error_len().is_none() => line.split_at(error.valid_up_to()).0,
        _ => line,
    }
}

/// Of a longer line the beginning is kept.
const MAX_LINE: usize = 64 * 1024;
/// A longer answer is unusual: 16 KiB are what hapolicy takes in a line.
const USUAL: usize = 16 * 1024;

#[cfg(test)]
mod tests;
