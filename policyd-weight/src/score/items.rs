//! Items of a score: their texts, their points, and the rows that somebody is shown.

use std::fmt::{Display, Write};

use super::Scoring;
use crate::config::Score;

/// A row of the score, for `--explain`.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The step.
    pub step: &'static str,
    /// What was looked up.
    pub looked_up: String,
    /// What came.
    pub result: String,
    /// The points, as they are printed.
    pub points: String,
    /// The sum after it.
    pub sum: f64,
}

impl Scoring<'_> {
    /// Adds an item: its text is that of the score.
    pub(super) fn add(
        &mut self,
        step: &'static str,
        looked_up: impl Display,
        item: impl Display,
        score: &Score,
    ) {
        // Writing to a string does not fail.
        _ = write!(self.text, " {item}={}", score.text);
        self.rate += score.value;
        self.row(step, looked_up, item, score);
    }

    /// Adds an item with a computed score.
    pub(super) fn add_number(
        &mut self,
        step: &'static str,
        looked_up: impl Display,
        item: impl Display,
        score: f64,
    ) {
        self.add(step, looked_up, item, &Score::of(score));
    }

    /// Notes what has come of a step, and its points.
    pub(super) fn row(
        &mut self,
        step: &'static str,
        looked_up: impl Display,
        result: impl Display,
        score: &Score,
    ) {
        self.points.push((step, score.value));
        if score.value > 0.0 {
            let blank = if self.reason.is_empty() { "" } else { " " };
            _ = write!(self.reason, "{blank}{result}={}", score.text);
        }
        if let Some(rows) = &mut self.rows {
            rows.push(Row {
                step,
                looked_up: looked_up.to_string(),
                result: result.to_string(),
                points: score.text.clone(),
                sum: self.rate,
            });
        }
    }
}
