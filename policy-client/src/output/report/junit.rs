//! Results as JUnit's XML, in the elements that build servers agree on.

use policy_daemon::log::printable;

use super::{Counts, Outcome, Record};

pub(super) fn document(subject: &str, records: &[Record], counts: Counts) -> String {
    let seconds: f64 = records
        .iter()
        .map(|record| record.elapsed.as_secs_f64())
        .sum();
    let name = escaped(subject);
    // JUnit knows no warnings: one is shown as skipped, with its reason.
    let totals = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{seconds:.3}\"",
        counts.total(),
        counts.failed,
        counts.warned + counts.skipped,
    );
    let mut document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"policy-client\" {totals}>\n\
         <testsuite name=\"{name}\" {totals}>\n"
    );
    for record in records {
        document += &case(record);
    }
    document + "</testsuite>\n</testsuites>\n"
}

fn case(record: &Record) -> String {
    let start = format!(
        "<testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
        escaped(&record.group),
        escaped(&format!("{} {}", record.id, record.title)),
        record.elapsed.as_secs_f64()
    );
    let inner = match &record.outcome {
        Outcome::Passed => return start + "/>\n",
        Outcome::Failed(reason) => {
            let notes: Vec<_> = record.notes.iter().map(|note| escaped(note)).collect();
            let reason = escaped(reason);
            format!(
                "<failure message=\"{reason}\">{}</failure>",
                notes.join("\n")
            )
        }
        Outcome::Warned(reason) => {
            format!("<skipped message=\"warning: {}\"/>", escaped(reason))
        }
        Outcome::Skipped(reason) => format!("<skipped message=\"{}\"/>", escaped(reason)),
    };
    format!("{start}>{inner}</testcase>\n")
}

/// A text on one line as a value of an attribute, or between elements. XML has no way to write control characters: they are
/// escaped as on a terminal.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML does not have these two, however they are written.
            '\u{fffe}' | '\u{ffff}' => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_no_markup() {
        assert_eq!(
            escaped("a<b> & \"c\" \u{1b}[2J\u{0}\n\u{ffff}"),
            "a&lt;b&gt; &amp; &quot;c&quot; ?[2J???"
        );
    }
}
