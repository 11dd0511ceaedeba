//! The addresses of options, checked: each is one, and others cannot reach it, or may.

use std::path::Path;

use rustix::process::geteuid;

use crate::{error::StartError, listen::address::ListenAddr, paths::Directories};

/// The address that a `--listen` means, or another option like it.
pub(super) fn listen_addr(
    option: &str,
    text: &str,
    has_allow: bool,
    allow_hint: &str,
) -> Result<ListenAddr, StartError> {
    let given = || format!("{option} {text}");
    let address: ListenAddr = text
        .parse()
        .map_err(|error| StartError::Listen(given(), error))?;
    if address.is_exposed() && !has_allow {
        return Err(exposed(given(), allow_hint));
    }
    Ok(address)
}

/// The error of a listener that other machines can reach.
pub(crate) fn exposed(what: String, allow_hint: &str) -> StartError {
    if allow_hint.is_empty() {
        StartError::Exposed(what)
    } else {
        StartError::Configuration(format!("{what} is not on loopback: {allow_hint}"))
    }
}

/// Only the user who starts daemons may change where the path of `--handover` leads.
pub(super) fn check_handover(path: &Path) -> Result<(), StartError> {
    let shown = path.display().to_string();
    let directories =
        Directories::to(path).map_err(StartError::system(format!("--handover {shown}")))?;
    match directories.exposed_to_others_than(geteuid().as_raw()) {
        Some(exposed) => Err(StartError::Handover(shown, exposed.to_string())),
        None => Ok(()),
    }
}
