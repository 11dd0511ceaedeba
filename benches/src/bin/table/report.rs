//! How what has been measured is shown.

use std::fmt::Write;

pub(crate) fn row(text: &mut String, cells: std::fmt::Arguments<'_>) {
    writeln!(text, "| {cells} |").expect("a string takes all");
}

pub(crate) fn goal(text: &mut String, of: &str, ratio: f64, most: f64) {
    let verdict = verdict(ratio <= most);
    writeln!(text, "- {ratio:.2} x {of}; goal at most {most}: {verdict}.")
        .expect("a string takes all");
}

pub(crate) fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}
