//! What came of a replay: counts, times, and the answers that differ, grouped by kind.

use std::{collections::BTreeMap, fmt::Write as _, io};

use policy_daemon::log::printable;
use serde_json::{Value, json};

use super::{action::Outcome, worker::Asked};
use crate::{
    input::NO_REQUEST,
    output::{Output, counted, measured::Measured, print, summary::summary},
    status::Status,
};

/// What came of the requests so far.
#[derive(Debug)]
pub(super) struct Report {
    server: Side,
    other: Option<Side>,
    ignore_text: bool,
    /// By the kinds of both answers.
    differing: BTreeMap<(String, String), Group>,
    /// Requests of which both answers are known.
    compared: u64,
    late: std::time::Duration,
}

/// One server, or what was recorded.
#[derive(Debug)]
struct Side {
    name: String,
    measured: Measured,
    kinds: BTreeMap<String, u64>,
    /// Why there was no answer, what came besides answers, and what was unusual about them.
    errors: Counted,
    excess: Counted,
    unusual: Counted,
}

/// How often a text came. A server may send anything: of different texts the first ones are kept.
#[derive(Debug, Default)]
struct Counted(BTreeMap<String, u64>);

impl Counted {
    fn add(&mut self, text: &str) {
        let is_room = self.0.len() < TEXTS || self.0.contains_key(text);
        let text = if is_room { text } else { OTHERS };
        *self.0.entry(text.to_owned()).or_default() += 1;
    }
}

/// Requests whose answers differ in the same way.
#[derive(Debug, Default)]
struct Group {
    count: u64,
    examples: Vec<Example>,
}

#[derive(Debug)]
struct Example {
    request: String,
    answer: String,
    other: String,
}

impl Report {
    pub(super) fn new(name: String, other: Option<String>, ignore_text: bool) -> Self {
        Self {
            server: Side::new(name),
            other: other.map(Side::new),
            ignore_text,
            differing: BTreeMap::new(),
            compared: 0,
            late: std::time::Duration::ZERO,
        }
    }

    /// Counts what was asked; a word on all so far.
    pub(super) fn add(&mut self, asked: Asked) -> String {
        self.server.add(&asked.outcome);
        if let (Some(side), Some(other)) = (&mut self.other, &asked.other) {
            side.add(other);
            self.compared += 1;
            if !asked.outcome.is_like(other, self.ignore_text) {
                self.differ(&asked, other);
            }
        }
        let total = self.server.measured.answered() + self.server.measured.unanswered();
        if self.other.is_some() {
            format!("{total} asked, {} differ", self.differences())
        } else {
            format!("{total} asked")
        }
    }

    fn differ(&mut self, asked: &Asked, other: &Outcome) {
        // There are as many as pairs of words of access(5) and of codes.
        let kinds = (asked.outcome.kind(), other.kind());
        let group = self.differing.entry(kinds).or_default();
        group.count += 1;
        if group.examples.len() < EXAMPLES {
            group.examples.push(Example {
                request: summary(&asked.entry.request),
                answer: asked.outcome.text(),
                other: other.text(),
            });
        }
    }

    fn differences(&self) -> u64 {
        self.differing.values().map(|group| group.count).sum()
    }

    pub(super) const fn interrupt(&mut self) {
        self.server.measured.interrupt();
    }

    /// By how much requests were later than the pace wants.
    pub(super) const fn set_late(&mut self, late: std::time::Duration) {
        self.late = late;
    }

    pub(super) fn status(&self) -> Status {
        let sides = [Some(&self.server), self.other.as_ref()];
        // One that was not answered then is a matter of the record.
        let is_recorded = |side: &&Side| side.name != "recorded";
        let mut sides = sides.into_iter().flatten().filter(is_recorded);
        let is_cut_short =
            self.server.measured.is_interrupted() && self.server.measured.answered() == 0;
        if is_cut_short || sides.any(|side| side.measured.unanswered() > 0) {
            Status::Unavailable
        } else if self.differences() > 0 {
            Status::Unexpected
        } else {
            Status::Success
        }
    }

    /// What would have to be there for the report to say something.
    pub(super) const fn lacks(&self) -> Option<&'static str> {
        let measured = &self.server.measured;
        if measured.is_interrupted() {
            None
        } else if !self.has_asked() {
            Some(NO_REQUEST)
        } else if self.other.is_some() && self.compared == 0 {
            Some("there is no recorded answer")
        } else {
            None
        }
    }

    pub(super) const fn has_asked(&self) -> bool {
        let measured = &self.server.measured;
        measured.answered() + measured.unanswered() > 0
    }

    pub(super) fn print(&self, json: bool) -> io::Result<()> {
        if json {
            return Output { json }.line(b"", || self.object());
        }
        print(self.text().as_bytes())
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for side in [Some(&self.server), self.other.as_ref()]
            .into_iter()
            .flatten()
        {
            _ = writeln!(text, "{}: {}", side.name, side.measured);
            let kinds = side
                .kinds
                .iter()
                .map(|(kind, count)| format!("{kind} {count}"));
            let kinds: Vec<_> = kinds.collect();
            if !kinds.is_empty() {
                _ = writeln!(text, "  {}", kinds.join(", "));
            }
            for (error, count) in &side.errors.0 {
                let (count, error) = (counted(*count, "time"), printable(error));
                _ = writeln!(text, "  no answer {count}: {error}");
            }
            for (excess, count) in &side.excess.0 {
                let (count, excess) = (counted(*count, "answer"), excess.escape_debug());
                _ = writeln!(text, "  excess after {count}: '{excess}'");
            }
            for (unusual, count) in &side.unusual.0 {
                let count = counted(*count, "answer");
                _ = writeln!(text, "  unusual in {count}: {unusual}");
            }
        }
        if self.late > LATE {
            let late = self.late.as_secs_f64();
            _ = writeln!(text, "requests were up to {late:.1} s later than recorded");
        }
        if self.other.is_none() {
            return text;
        }
        _ = writeln!(text, "{} of {} differ", self.differences(), self.compared);
        let mut groups: Vec<_> = self.differing.iter().collect();
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.count));
        for ((kind, other), group) in groups {
            let times = counted(group.count, "time");
            if kind == other {
                _ = writeln!(text, "\n{times} {kind} with another text");
            } else {
                _ = writeln!(text, "\n{times} {kind} here and {other} there");
            }
            for example in &group.examples {
                _ = writeln!(
                    text,
                    "  {}\n    here:  {}\n    there: {}",
                    example.request, example.answer, example.other
                );
            }
        }
        text
    }

    fn object(&self) -> Value {
        let differing = self.differing.iter().map(|((kind, other), group)| {
            let examples = group.examples.iter().map(|example| {
                json!({
                    "request": example.request,
                    "answers": [example.answer, example.other],
                })
            });
            json!({
                "kinds": [kind, other],
                "count": group.count,
                "examples": examples.collect::<Vec<_>>(),
            })
        });
        let compared = self.other.as_ref().map(|_| {
            json!({
                "compared": self.compared,
                "differ": self.differences(),
                "groups": differing.collect::<Vec<_>>(),
            })
        });
        let sides = [Some(&self.server), self.other.as_ref()];
        let sides = sides.into_iter().flatten().map(Side::object);
        json!({
            "diff": compared,
            "interrupted": self.server.measured.is_interrupted(),
            "late_ms": self.late.as_millis() as u64,
            "servers": sides.collect::<Vec<_>>(),
        })
    }
}

impl Side {
    fn new(name: String) -> Self {
        Self {
            name,
            measured: Measured::new(),
            kinds: BTreeMap::new(),
            errors: Counted::default(),
            excess: Counted::default(),
            unusual: Counted::default(),
        }
    }

    fn add(&mut self, outcome: &Outcome) {
        let elapsed = outcome.elapsed.unwrap_or_default();
        self.measured.record(outcome.result.is_ok(), elapsed);
        *self.kinds.entry(outcome.kind()).or_default() += 1;
        if let Err(error) = &outcome.result {
            self.errors.add(error);
        }
        if let Some(excess) = &outcome.excess {
            self.excess.add(excess);
        }
        if let Some(unusual) = &outcome.unusual {
            self.unusual.add(unusual);
        }
    }

    fn object(&self) -> Value {
        json!({
            "actions": self.kinds,
            "answered": self.measured.answered(),
            "elapsed_s": self.measured.elapsed().as_secs_f64(),
            "endpoint": self.name,
            "errors": self.errors.0,
            "excess": self.excess.0,
            "ms": {
                "median": self.measured.quantile(0.5),
                "p99": self.measured.quantile(0.99),
                "max": self.measured.quantile(1.0),
            },
            "unanswered": self.measured.unanswered(),
            "unusual": self.unusual.0,
        })
    }
}

/// Different reasons, and different texts besides answers, that are told apart.
const TEXTS: usize = 10;
const OTHERS: &str = "others";
/// Requests of each group that are shown.
const EXAMPLES: usize = 3;
/// Less is nobody's concern.
const LATE: std::time::Duration = std::time::Duration::from_millis(500);
