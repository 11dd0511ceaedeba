//! Problems of a configuration, and their places.

use std::fmt;

/// A fault of a file, or what is odd in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The byte of the line, from 1.
    pub column: usize,
    /// What was found, and what to write instead.
    pub message: String,
    /// The line's text.
    pub source: String,
}

impl Problem {
    pub(super) fn at(text: &[char], position: usize, message: impl Into<String>) -> Self {
        let position = position.min(text.len());
        let before = text.get(..position).unwrap_or_default();
        Self {
            line: before.iter().filter(|&&c| c == '\n').count() + 1,
            column: position - begin_of_line(text, position) + 1,
            message: message.into(),
            source: line(text, position),
        }
    }

    /// `FILE:LINE:COLUMN: KIND: MESSAGE`, then the line with a mark below the column.
    #[must_use]
    pub fn report(&self, file: &str, kind: &str) -> String {
        let Self {
            line,
            column,
            message,
            source,
        } = self;
        // Long lines are cut: the mark stays within the page.
        let start = column.saturating_sub(80);
        let shown: String = source
            .chars()
            .skip(start)
            .take(160)
            .map(printable)
            .collect();
        let blanks = " ".repeat((column - 1).saturating_sub(start));
        format!("{file}:{line}:{column}: {kind}: {message}\n    {shown}\n    {blanks}^")
    }
}

/// The text of the line of a position.
pub(super) fn line(text: &[char], position: usize) -> String {
    let rest = text.get(begin_of_line(text, position)..);
    let line = rest.unwrap_or_default().iter().take_while(|&&c| c != '\n');
    line.collect::<String>().trim_end().to_owned()
}

fn begin_of_line(text: &[char], position: usize) -> usize {
    let before = text.get(..position).unwrap_or(text);
    let end = before.iter().rposition(|&c| c == '\n');
    end.map_or(0, |end| end + 1)
}

fn printable(c: char) -> char {
    if c == '\t' {
        ' '
    } else if c.is_control() {
        '?'
    } else {
        c
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.message
        )
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_shows_the_place() {
        let text: Vec<_> = "$A = 1;\n$B\t= on;\n".chars().collect();
        let problem = Problem::at(&text, 13, "`on` is no value");
        let expected = "x.conf:2:6: error: `on` is no value\n    $B = on;\n         ^";
        assert_eq!(problem.report("x.conf", "error"), expected);
    }
}
