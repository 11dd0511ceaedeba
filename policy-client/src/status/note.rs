//! Lines on standard error, where a failure to write one does not end the program; and the name that they begin with.

use std::{io::Write, path::PathBuf};

use policy_daemon::log::printable;

/// A line on standard error. Unlike `eprintln!` it does not panic where nobody reads any more.
pub(crate) fn note(text: &str) {
    let line = format!("{text}\n");
    _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// A line on standard error after the name under which the program was started.
pub(crate) fn complain(text: &str) {
    let name = if is_policyd_client() {
        POLICYD_CLIENT
    } else {
        env!("CARGO_PKG_NAME")
    };
    note(&format!("{name}: {}", printable(text)));
}

/// Whether the program was started under its second name.
pub(crate) fn is_policyd_client() -> bool {
    let path = std::env::args_os().next().map(PathBuf::from);
    path.is_some_and(|path| path.file_name().is_some_and(|name| name == POLICYD_CLIENT))
}

/// The second name of the program, which is that of mtpolicyd's command.
pub(crate) const POLICYD_CLIENT: &str = "policyd-client";
