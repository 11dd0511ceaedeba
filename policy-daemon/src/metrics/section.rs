//! A section of the page: a table with what a service tells of itself.

use std::time::SystemTime;

use super::Histogram;

/// A table of the page at `/`. All texts are shown as they are: the page escapes them.
///
/// ```
/// use policy_daemon::admin::{Cell, Section};
///
/// let mut stores = Section::new("Stores", ["Store", "State", "Answered"]);
/// stores.row([Cell::text("sessions"), Cell::good("up"), Cell::Number(12)]);
/// assert_eq!(stores.rows.len(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Section {
    /// The heading.
    pub title: String,
    /// The headings of the columns.
    pub columns: Vec<String>,
    /// The rows, each with a cell for each column.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Cell {
    /// A text.
    Text(String),
    /// A state: whether it is good, and its name.
    State(bool, String),
    /// A number.
    Number(u64),
    /// A part of a whole, 0 to 1, as a bar.
    Share(f64),
    /// A point in time, with how long ago that was.
    Since(SystemTime),
    /// How long something took: half of them, 99 % of them, and a small plot.
    Durations(Histogram),
}

impl Section {
    /// A table without rows.
    pub fn new<const N: usize>(title: impl Into<String>, columns: [&str; N]) -> Self {
        Self {
            title: title.into(),
            columns: columns.map(str::to_owned).to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.to_vec());
    }
}

impl Cell {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A good state.
    pub fn good(text: impl Into<String>) -> Self {
        Self::State(true, text.into())
    }

    /// A bad state.
    pub fn bad(text: impl Into<String>) -> Self {
        Self::State(false, text.into())
    }
}
