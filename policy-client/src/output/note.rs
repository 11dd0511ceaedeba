//! Lines on standard error that no failure of it ends the program.

use std::io::Write;

use policy_daemon::log::printable;

use crate::policyd_client;

/// A line on standard error. Unlike `eprintln!` it does not panic where nobody reads any more.
pub(crate) fn note(text: &str) {
    let line = format!("{text}\n");
    _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// A line on standard error after the name under which the program was started.
pub(crate) fn complain(text: &str) {
    let name = if policyd_client::is_called() {
        policyd_client::NAME
    } else {
        env!("CARGO_PKG_NAME")
    };
    note(&format!("{name}: {}", printable(text)));
}
