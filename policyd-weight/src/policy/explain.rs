//! The explanation of an answer: the steps of its score, as a table or as JSON. `policyd-weight ctl trace` has the same table.

use std::ops::ControlFlow;

use serde_json::json;
use tokio::time::Instant;

use super::{
    NotAnswered, Policy,
    action::{sent, without_score},
    check_request,
};
use crate::{
    counters::DecidedBy,
    mail::{Attributes, Mail},
    number,
    score::Row,
};

/// A step of a score.
pub type Step = Row;

/// The steps of a score, and the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The steps in their order.
    pub steps: Vec<Step>,
    /// The answer.
    pub action: String,
    /// The sum, if there is one.
    pub rate: Option<String>,
}

impl Policy {
    /// Why a request would be answered as it would: without caches and memory, and nothing is remembered.
    ///
    /// # Errors
    ///
    /// [`NotAnswered`].
    pub async fn explain(&self, attributes: &Attributes<'_>) -> Result<Explanation, NotAnswered> {
        check_request(attributes)?;
        let settings = self.settings();
        let config = settings.config();
        let (steps, action, rate) = match without_score(attributes) {
            Some(action) => (vec![], action, None),
            None => {
                let mail = Mail::new(attributes);
                let deadline = Instant::now() + config.request_timeout;
                match self.score(&settings, &mail, false, true, deadline).await? {
                    ControlFlow::Break(decision) => {
                        (decision.rows, decision.action, Some(decision.rate))
                    }
                    // Not without a cached score.
                    ControlFlow::Continue(()) => (vec![], String::new(), None),
                }
            }
        };
        Ok(Explanation {
            steps,
            action: sent(config, attributes, action),
            rate,
        })
    }
}

/// How a request was decided on, for those who trace it.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    pub(super) by: Option<DecidedBy>,
    /// Those of its score, if it has one.
    pub(super) steps: Vec<Step>,
}

impl Decided {
    /// A line with the part that decided, and the table of the score.
    pub(crate) fn lines(&self) -> String {
        let by = self.by.map(|by| format!("decided by: {}\n", by.name()));
        by.unwrap_or_default() + &table(&self.steps)
    }
}

impl Explanation {
    /// A table: step, what was looked up, what came, points, sum. The action is in the line after it.
    #[must_use]
    pub fn table(&self) -> String {
        table(&self.steps) + &format!("action={}\n", self.action)
    }

    /// The same as JSON, in one line.
    #[must_use]
    pub fn json(&self) -> String {
        let steps = self.steps.iter().map(|row| {
            json!({
                "name": row.step,
                "looked_up": row.looked_up,
                "result": row.result,
                "points": if row.points.is_empty() { json!(null) } else { json!(number::read(&row.points)) },
                "sum": number::round(row.sum),
            })
        });
        let steps: Vec<_> = steps.collect();
        json!({ "steps": steps, "rate": self.rate, "action": self.action }).to_string()
    }
}

/// The table of these steps; nothing where there are none.
fn table(steps: &[Step]) -> String {
    if steps.is_empty() {
        return String::new();
    }
    let mut rows = vec![["step", "looked up", "result", "points", "sum"].map(str::to_owned)];
    rows.extend(steps.iter().map(|row| {
        let sum = number::print(number::round(row.sum));
        [
            row.step.to_owned(),
            row.looked_up.clone(),
            row.result.clone(),
            row.points.clone(),
            sum,
        ]
    }));
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<_> = (0..5).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| {
                if column < 3 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_columns_below_each_other() {
        let row = |step, looked_up: &str, result: &str, points: &str, sum| Row {
            step,
            looked_up: looked_up.into(),
            result: result.into(),
            points: points.into(),
            sum,
        };
        let explanation = Explanation {
            steps: vec![
                row("list", "bl.test", "IN_BL", "3.75", 3.75),
                row("sum", "", "", "", 3.75),
            ],
            action: "550 no".into(),
            rate: Some("3.75".into()),
        };
        let table = "step  looked up  result  points   sum\n\
                     list  bl.test    IN_BL     3.75  3.75\n\
                     sum                              3.75\n\
                     action=550 no\n";
        assert_eq!(explanation.table(), table);
        let json: serde_json::Value = serde_json::from_str(&explanation.json()).unwrap();
        assert_eq!(json["steps"][0]["points"], 3.75);
        assert_eq!(json["action"], "550 no");
    }
}
