//! The output of a control socket: tables for people, JSON for programs.

use std::{
    fmt::Write,
    time::{Duration, SystemTime},
};

use serde_json::{Map, Value, json};

use super::DaemonStatus;
use crate::admin::{Cell, Section};

impl DaemonStatus {
    /// The first line of a table: the program, and its clients.
    #[must_use]
    pub fn head(&self, name: &str, version: &str) -> String {
        let stopping = if self.is_stopping { ", stopping" } else { "" };
        format!(
            "{name} {version}{stopping}, running for {}, workers: {}, clients: {} of {}\n",
            shown(self.uptime),
            self.workers,
            self.clients,
            self.max_clients
        )
    }

    /// The first fields of an object: `name`, `version`, `state`, which is `serving` or `stopping`, `uptime_seconds`,
    /// `workers`, `clients`, `max_clients` and `log_lines_lost`.
    #[must_use]
    pub fn json(&self, name: &str, version: &str) -> Map<String, Value> {
        let state = if self.is_stopping {
            "stopping"
        } else {
            "serving"
        };
        let fields = [
            ("name", json!(name)),
            ("version", json!(version)),
            ("state", json!(state)),
            ("uptime_seconds", json!(seconds(self.uptime))),
            ("workers", json!(self.workers)),
            ("clients", json!(self.clients)),
            ("max_clients", json!(self.max_clients)),
            ("log_lines_lost", json!(self.log_lines_lost)),
        ];
        let fields = fields.map(|(key, value)| (key.to_owned(), value));
        fields.into_iter().collect()
    }
}

/// A section of the page as a table with its title, or nothing where it has no rows.
///
/// ```
/// use policy_daemon::{admin::{Cell, Section}, control::table};
///
/// let mut stores = Section::new("Stores", ["Store", "State", "Answered"]);
/// stores.row([Cell::text("sessions"), Cell::good("up"), Cell::Number(12)]);
/// assert_eq!(table(&stores), "Stores\nSTORE     STATE  ANSWERED\nsessions  up           12\n");
/// ```
#[must_use]
pub fn table(section: &Section) -> String {
    if section.rows.is_empty() {
        return String::new();
    }
    let columns = section.columns.iter();
    let mut rows = vec![columns.map(|column| column.to_uppercase()).collect()];
    rows.extend(
        section
            .rows
            .iter()
            .map(|row| row.iter().map(text).collect()),
    );
    let is_number = |column: usize| {
        let mut cells = section.rows.iter().filter_map(|row| row.get(column));
        cells.all(|cell| matches!(cell, Cell::Number(_) | Cell::Share(_)))
    };
    format!("{}\n{}", section.title, aligned(&rows, is_number))
}

/// A section of the page as a list of objects. Their keys are the headings of the columns in lower case, with `_` in the
/// place of all but letters and digits. A state comes with `is_good`, and a point in time as how many seconds ago it was, in
/// a key with `_seconds` behind it.
///
/// ```
/// use policy_daemon::{admin::{Cell, Section}, control::json};
///
/// let mut stores = Section::new("Stores", ["Store", "State", "Timed out"]);
/// stores.row([Cell::text("sessions"), Cell::bad("away"), Cell::Number(12)]);
/// let expected = r#"[{"store":"sessions","state":"away","is_good":false,"timed_out":12}]"#;
/// assert_eq!(json(&stores), serde_json::from_str::<serde_json::Value>(expected)?);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn json(section: &Section) -> Value {
    let keys: Vec<_> = section.columns.iter().map(|column| key(column)).collect();
    let rows = section.rows.iter().map(|row| {
        let mut object = Map::new();
        for (key, cell) in keys.iter().zip(row) {
            match cell {
                Cell::State(is_good, state) => {
                    object.insert(key.clone(), json!(state));
                    object.insert("is_good".to_owned(), json!(is_good));
                }
                Cell::Since(time) => {
                    object.insert(format!("{key}_seconds"), json!(seconds(ago(*time))));
                }
                cell => _ = object.insert(key.clone(), value(cell)),
            }
        }
        Value::Object(object)
    });
    Value::Array(rows.collect())
}

/// The key of a heading: `Timed out` is `timed_out`.
pub(crate) fn key(heading: &str) -> String {
    let letters = heading.chars().map(|c| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '_'
        }
    });
    letters.collect()
}

/// Rows in columns, a line each, with two blanks between columns; numbers stand to the right.
#[must_use]
pub fn aligned(rows: &[Vec<String>], is_number: impl Fn(usize) -> bool) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let columns: Vec<_> = (0..columns)
        .map(|column| (width(column), is_number(column)))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, (width, is_number)) in row.iter().zip(&columns) {
            // Writing to a string cannot fail.
            _ = if *is_number {
                write!(line, "{cell:>width$}  ")
            } else {
                write!(line, "{cell:<width$}  ")
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// A time in its two largest units: `3h2m`.
#[must_use]
pub fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if days > 0 => format!("{days}d{}h", hours % 24),
        () if hours > 0 => format!("{hours}h{}m", minutes % 60),
        () if minutes > 0 => format!("{minutes}m{}s", seconds % 60),
        () => format!("{seconds}s"),
    }
}

/// Seconds, to a thousandth.
#[must_use]
pub fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) | Cell::State(_, text) => text.clone(),
        Cell::Number(number) => number.to_string(),
        Cell::Share(share) => format!("{:.1} %", share * 100.0),
        Cell::Since(time) => shown(ago(*time)),
        Cell::Durations(times) => times.count().to_string(),
    }
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Number(number) => json!(number),
        Cell::Share(share) => json!(share),
        Cell::Durations(times) => json!({ "seconds": times.sum, "count": times.count() }),
        cell => json!(text(cell)),
    }
}

fn ago(time: SystemTime) -> Duration {
    SystemTime::now().duration_since(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_its_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m0s"),
            (3_599, "59m59s"),
            (3_660, "1h1m"),
            (86_399, "23h59m"),
            (90_000, "1d1h"),
        ] {
            assert_eq!(shown(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn each_kind_of_cell_is_a_text_and_a_value() {
        let mut section = Section::new("All", ["A", "B c", "Share", "Since"]);
        let since = SystemTime::now() - Duration::from_secs(7200);
        section.row([
            Cell::text("x"),
            Cell::good("up"),
            Cell::Share(0.125),
            Cell::Since(since),
        ]);
        let lines = table(&section);
        assert_eq!(
            lines
                .lines()
                .last()
                .unwrap()
                .split_whitespace()
                .collect::<Vec<_>>(),
            ["x", "up", "12.5", "%", "2h0m"],
            "{lines}"
        );
        let row = &json(&section)[0];
        assert_eq!((&row["a"], &row["b_c"]), (&json!("x"), &json!("up")));
        assert_eq!(
            (&row["is_good"], &row["share"]),
            (&json!(true), &json!(0.125))
        );
        assert!(row["since_seconds"].as_f64().unwrap() >= 7200.0, "{row}");
    }

    #[test]
    fn a_daemon_that_ends_says_so() {
        let mut status = DaemonStatus::default();
        assert_eq!(
            status.head("a", "1"),
            "a 1, running for 0s, workers: 0, clients: 0 of 0\n"
        );
        assert_eq!(status.json("a", "1")["state"], "serving");
        status.is_stopping = true;
        assert!(
            status
                .head("a", "1")
                .starts_with("a 1, stopping, running for ")
        );
        assert_eq!(status.json("a", "1")["state"], "stopping");
    }
}
