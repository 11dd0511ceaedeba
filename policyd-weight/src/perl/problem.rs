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
        let start = before
            .iter()
            .rposition(|&c| c == '\n')
            .map_or(0, |at| at + 1);
        let rest = text.get(start..).unwrap_or_default();
        let source = rest.iter().take_while(|&&c| c != '\n');
        Self {
            line: before.iter().filter(|&&c| c == '\n').count() + 1,
            column: position - start + 1,
            message: message.into(),
            source: source.collect::<String>().trim_end().to_owned(),
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
