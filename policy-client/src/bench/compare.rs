//! Two reports side by side.

use std::{fmt::Write, path::Path};

use serde_json::{Value, json};

use super::{
    format::{count, microseconds},
    report::{FORMAT, QUANTILES},
    svg::Plot,
};
use crate::{
    input,
    input::text_file,
    output::{self, Output},
    status::Status,
};

/// A report of another run, read back.
#[derive(Debug)]
pub(crate) struct Side {
    name: String,
    object: Value,
}

impl Side {
    pub(crate) fn read(path: &Path) -> Result<Self, (Status, String)> {
        let text = text_file::read(path)?;
        let name = input::name(path).into_owned();
        Self::parse(name, &text).map_err(|error| (Status::Data, error))
    }

    fn parse(name: String, text: &str) -> Result<Self, String> {
        let no_report = format!("{name}: no report of '{FORMAT}', which --json prints");
        let side = match serde_json::from_str::<Value>(text) {
            Ok(object) if object["format"] == FORMAT => Self { name, object },
            Ok(_) => return Err(no_report),
            Err(error) => return Err(format!("{no_report}: {error}")),
        };
        // Not each measurement counts default answers.
        let needed = rows().into_iter().filter(|row| row.name != "default");
        for row in needed {
            if side.number(&row).is_none() {
                return Err(format!("{no_report}: no number '{}'", row.keys.join(".")));
            }
        }
        Ok(side)
    }

    fn number(&self, row: &Row) -> Option<f64> {
        let keys = row.keys.iter();
        let value = keys.fold(&self.object, |value, key| &value[key.as_str()]);
        value.as_f64()
    }

    /// Points of (quantile, microseconds).
    fn curve(&self) -> Vec<(f64, f64)> {
        let points = self.object["curve_us"].as_array().into_iter().flatten();
        let points = points.filter_map(|point| Some((point[0].as_f64()?, point[1].as_f64()?)));
        points.collect()
    }
}

/// Compares two files, and draws both into a third one.
pub(crate) fn compare(a: &Path, b: &Path, output: Output, plot: Option<&Path>) -> Status {
    let sides = Side::read(a).and_then(|a| Ok((a, Side::read(b)?)));
    let (a, b) = match sides {
        Ok(sides) => sides,
        Err((status, error)) => return status.say(&error),
    };
    if let Some(plot) = plot {
        let lines = [&a, &b].map(|side| (side.name.clone(), side.curve()));
        let written = Plot::create(plot).and_then(|plot| plot.write("policy-client bench", &lines));
        if let Err((status, error)) = written {
            return status.say(&error);
        }
    }
    let printed = if output.json {
        output.line(b"", || object(&a, &b))
    } else {
        output::print(text(&a, &b).as_bytes())
    };
    output::ended(printed, Status::Success)
}

/// A figure that is compared, and where it is.
#[derive(Debug)]
struct Row {
    name: String,
    keys: Vec<String>,
}

impl Row {
    fn of(name: &str, keys: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        }
    }

    fn is_time(&self) -> bool {
        self.keys.first().is_some_and(|key| key == "latency_us")
    }
}

fn rows() -> Vec<Row> {
    let mut rows = vec![Row::of("answers/s", &["answers_per_second"])];
    let quantiles = QUANTILES.iter().map(|(_, name)| *name);
    for name in ["mean"].into_iter().chain(quantiles).chain(["max"]) {
        rows.push(Row::of(name, &["latency_us", &name.replace('.', "_")]));
    }
    rows.push(Row::of("wrong", &["wrong"]));
    rows.push(Row::of("missing", &["missing", "total"]));
    rows.push(Row::of("default", &["default"]));
    rows
}

fn text(a: &Side, b: &Side) -> String {
    let mut text = String::new();
    for (letter, side) in [("A", a), ("B", b)] {
        let endpoint = side.object["endpoint"].as_str().unwrap_or_default();
        let name = policy_daemon::log::printable(format!("{}: {endpoint}", side.name));
        _ = writeln!(text, "{letter}  {name}");
    }
    _ = writeln!(text, "\n{:<10}{:>12}{:>12}{:>8}", "", "A", "B", "B/A");
    for row in rows() {
        let values = [a, b].map(|side| side.number(&row));
        let show = |value: Option<f64>| match value {
            Some(value) if row.is_time() => microseconds(value),
            Some(value) => count(value.round() as u64),
            None => "-".to_owned(),
        };
        let [first, second] = values.map(show);
        let ratio = ratio(values).map_or(String::new(), |ratio| format!("{ratio:.2}"));
        let line = format!("{:<10}{first:>12}{second:>12}{ratio:>8}", row.name);
        _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn object(a: &Side, b: &Side) -> Value {
    let figures = rows().into_iter().map(|row| {
        let name = row.name.replace('.', "_");
        let mut key = name.replace("answers/s", "answers_per_second");
        if row.is_time() {
            key += "_us";
        }
        let [first, second] = [a, b].map(|side| side.number(&row));
        let ratio = ratio([first, second]);
        (key, json!({ "a": first, "b": second, "ratio": ratio }))
    });
    let figures: serde_json::Map<_, _> = figures.collect();
    json!({ "format": "policy-client bench comparison 1", "a": a.name, "b": b.name, "figures": figures })
}

/// The second beside the first, where there is a first.
fn ratio([first, second]: [Option<f64>; 2]) -> Option<f64> {
    let (first, second) = (first.filter(|first| *first > 0.0)?, second?);
    Some((second / first * 1e3).round() / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{assert_object, assert_snapshot};

    #[test]
    fn two_reports_stand_side_by_side() {
        let text = text(&closed(), &open());
        assert_snapshot("src/bench/snapshots/compare.txt", &text);
        let object = object(&closed(), &open());
        assert_object("src/bench/snapshots/compare.json", &object);
    }

    #[test]
    fn a_file_that_is_no_report_is_said_to_be_none() {
        for (text, error) in [
            (
                "{}",
                "f: no report of 'policy-client bench 1', which --json prints",
            ),
            (
                r#"{"format":"policy-client bench 1"}"#,
                "f: no report of 'policy-client bench 1', which --json prints: no number 'answers_per_second'",
            ),
            (
                r#"{"format":"policy-client bench 1","answers_per_second":1,"latency_us":{"mean":"x"}}"#,
                "f: no report of 'policy-client bench 1', which --json prints: no number 'latency_us.mean'",
            ),
            (
                "x",
                "f: no report of 'policy-client bench 1', which --json prints: expected value at line 1 column 1",
            ),
        ] {
            assert_eq!(Side::parse("f".to_owned(), text).unwrap_err(), error);
        }
    }

    fn closed() -> Side {
        let text = include_str!("snapshots/closed.json");
        Side::parse("closed.json".to_owned(), text).unwrap()
    }

    fn open() -> Side {
        let text = include_str!("snapshots/open.json");
        Side::parse("open.json".to_owned(), text).unwrap()
    }
}
