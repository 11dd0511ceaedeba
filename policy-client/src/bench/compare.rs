//! Two reports side by side.

use std::{fmt::Write, fs, path::Path};

use serde_json::{Value, json};

use super::{
    format::{count, microseconds},
    report::{FORMAT, QUANTILES},
    svg,
};
use crate::{
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
        let name = path.display().to_string();
        let text = fs::read_to_string(path)
            .map_err(|error| (Status::NoInput, format!("{name}: {error}")))?;
        Self::parse(name, &text).map_err(|error| (Status::Data, error))
    }

    fn parse(name: String, text: &str) -> Result<Self, String> {
        let no_report = format!("{name}: no report of '{FORMAT}', which --json prints");
        match serde_json::from_str::<Value>(text) {
            Ok(object) if object["format"] == FORMAT => Ok(Self { name, object }),
            Ok(_) => Err(no_report),
            Err(error) => Err(format!("{no_report}: {error}")),
        }
    }

    fn number(&self, keys: &[&str]) -> f64 {
        let value = keys.iter().fold(&self.object, |value, key| &value[*key]);
        value.as_f64().unwrap_or_default()
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
        if let Err(error) = svg::write(plot, "policy-client bench", &lines) {
            return Status::CannotCreate.say(&error);
        }
    }
    let printed = if output.json {
        output.line(b"", || object(&a, &b))
    } else {
        output::print(text(&a, &b).as_bytes())
    };
    output::ended(printed, Status::Success)
}

/// The figures that are compared: their names, and where they are.
fn rows() -> Vec<(String, Vec<String>)> {
    let row = |name: &str, keys: &[&str]| {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        (name.to_owned(), keys)
    };
    let mut rows = vec![row("answers/s", &["answers_per_second"])];
    for name in ["mean"]
        .into_iter()
        .chain(QUANTILES.iter().map(|(_, name)| *name))
        .chain(["max"])
    {
        rows.push(row(name, &["latency_us", &name.replace('.', "_")]));
    }
    rows.push(row("wrong", &["wrong"]));
    rows.push(row("missing", &["missing", "total"]));
    rows.push(row("default", &["default"]));
    rows
}

fn figures(a: &Side, b: &Side) -> Vec<(String, bool, [f64; 2])> {
    let figure = |(name, keys): (String, Vec<String>)| {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let is_time = keys.first() == Some(&"latency_us");
        (name, is_time, [a, b].map(|side| side.number(&keys)))
    };
    rows().into_iter().map(figure).collect()
}

fn text(a: &Side, b: &Side) -> String {
    let mut text = String::new();
    for (letter, side) in [("A", a), ("B", b)] {
        let endpoint = side.object["endpoint"].as_str().unwrap_or_default();
        let name = policy_daemon::log::printable(format!("{}: {endpoint}", side.name));
        _ = writeln!(text, "{letter}  {name}");
    }
    _ = writeln!(text, "\n{:<10}{:>12}{:>12}{:>8}", "", "A", "B", "B/A");
    for (name, is_time, values) in figures(a, b) {
        let show = |value: f64| {
            if is_time {
                microseconds(value)
            } else {
                count(value.round() as u64)
            }
        };
        let [first, second] = values.map(show);
        let ratio = ratio(values).map_or(String::new(), |ratio| format!("{ratio:.2}"));
        let line = format!("{name:<10}{first:>12}{second:>12}{ratio:>8}");
        _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn object(a: &Side, b: &Side) -> Value {
    let figures = figures(a, b).into_iter().map(|(name, is_time, values)| {
        let mut key = name
            .replace('.', "_")
            .replace("answers/s", "answers_per_second");
        if is_time {
            key += "_us";
        }
        (
            key,
            json!({ "a": values[0], "b": values[1], "ratio": ratio(values) }),
        )
    });
    let figures: serde_json::Map<_, _> = figures.collect();
    json!({ "format": "policy-client bench comparison 1", "a": a.name, "b": b.name, "figures": figures })
}

/// The second beside the first, where there is a first.
fn ratio([first, second]: [f64; 2]) -> Option<f64> {
    (first > 0.0).then(|| (second / first * 1e3).round() / 1e3)
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
