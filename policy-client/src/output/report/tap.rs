//! Results in the Test Anything Protocol, version 13: <https://testanything.org/tap-version-13-specification.html>.

use policy_daemon::log::printable;

use super::{Outcome, Record};

pub(super) fn plan(planned: usize) -> String {
    format!("TAP version 13\n1..{planned}\n")
}

/// A line of the result; what is wrong in comments below. A warning is marked as TODO: it fails no run.
pub(super) fn lines(record: &Record, number: usize) -> String {
    // What stands after a number sign is a directive.
    let title = printable(record.full_title()).replace('#', "\\#");
    let (word, directive) = match &record.outcome {
        Outcome::Passed => ("ok", String::new()),
        Outcome::Failed(_) => ("not ok", String::new()),
        Outcome::Warned(reason) => ("not ok", format!(" # TODO {}", printable(reason))),
        Outcome::Skipped(reason) => ("ok", format!(" # SKIP {}", printable(reason))),
    };
    let mut lines = format!("{word} {number} - {title}{directive}\n");
    if let Outcome::Failed(reason) = &record.outcome {
        for line in [reason].into_iter().chain(&record.notes) {
            lines += &format!("# {}\n", printable(line));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_text_becomes_a_directive_or_a_line_of_its_own() {
        let reason = "a\nok 7 - forged # SKIP".to_owned();
        let record = |outcome| Record {
            group: String::new(),
            is_named_by_group: false,
            id: "1".to_owned(),
            title: "x # SKIP\nok 9".to_owned(),
            outcome,
            notes: vec!["n\nok 8".to_owned()],
            elapsed: Duration::ZERO,
            fields: serde_json::Map::new(),
        };
        for (outcome, expected) in [
            (Outcome::Passed, "ok 1 - 1 x \\# SKIP?ok 9\n"),
            (
                Outcome::Failed(reason.clone()),
                "not ok 1 - 1 x \\# SKIP?ok 9\n# a?ok 7 - forged # SKIP\n# n?ok 8\n",
            ),
            (
                Outcome::Warned(reason),
                "not ok 1 - 1 x \\# SKIP?ok 9 # TODO a?ok 7 - forged # SKIP\n",
            ),
        ] {
            assert_eq!(lines(&record(outcome), 1), expected);
        }
    }
}
