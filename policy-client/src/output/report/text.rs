//! Results for people: a line each, and what is wrong below.

use policy_daemon::log::printable;

use super::{Counts, Outcome, Record};
use crate::output::counted;

/// A line of the result, after the heading of its group where it is the group's first.
pub(super) fn lines(record: &Record, is_first: bool) -> String {
    let mut lines = String::new();
    if is_first {
        lines += &format!("\n{}\n", printable(&record.group));
    }
    let (word, reason) = match &record.outcome {
        Outcome::Passed => ("ok", None),
        Outcome::Failed(reason) => ("FAILED", Some(reason)),
        Outcome::Warned(reason) => ("warning", Some(reason)),
        Outcome::Skipped(reason) => ("skipped", Some(reason)),
    };
    let (id, title) = (printable(&record.id), printable(&record.title));
    lines += &format!("  {word:<8}{id:<6}{title}\n");
    if let Some(reason) = reason {
        for line in [reason].into_iter().chain(&record.notes) {
            lines += &format!("                {}\n", printable(line));
        }
    }
    lines
}

pub(super) fn summary(subject: &str, counts: Counts) -> String {
    let Counts {
        passed,
        failed,
        warned,
        skipped,
    } = counts;
    format!(
        "\n{}: {passed} passed, {failed} failed, {}, {skipped} skipped\n",
        printable(subject),
        counted(warned as u64, "warning"),
    )
}
