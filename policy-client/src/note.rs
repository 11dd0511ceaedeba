//! Lines on standard error that no failure of it ends the program.

use std::io::Write;

/// A line on standard error. Unlike `eprintln!` it does not panic where nobody reads any more.
pub(crate) fn note(text: &str) {
    let line = format!("{text}\n");
    _ = std::io::stderr().lock().write_all(line.as_bytes());
}
