//! The addresses of options, checked: each is one, and others cannot reach it, or may.

use std::path::Path;

use rustix::process::geteuid;

use crate::{
    error::StartError,
    listen::{address::ListenAddr, socket::ListenSocket},
    paths::Directories,
};

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

/// Checks the sockets of an address once more, since its name may have got other addresses after it was checked.
pub(crate) fn check_bound(
    option: &str,
    text: &str,
    sockets: &[ListenSocket],
    has_allow: bool,
    allow_hint: &str,
) -> Result<(), StartError> {
    let is_exposed = |socket: &ListenSocket| !socket.is_local().unwrap_or(false);
    if !has_allow && sockets.iter().any(is_exposed) {
        return Err(exposed(format!("{option} {text}"), allow_hint));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_name_has_become_is_not_bound_for_other_machines() {
        for (address, has_allow, is_refused) in [
            ("inet:0.0.0.0:0", false, true),
            ("inet:0.0.0.0:0", true, false),
            ("inet:127.0.0.1:0", false, false),
        ] {
            let sockets = address.parse::<ListenAddr>().unwrap().bind().unwrap();
            let text = "inet:name.example:0";
            let checked = check_bound("--admin", text, &sockets, has_allow, "");
            let line = checked.err().map(|error| error.line());
            let expected =
                is_refused.then(|| exposed("--admin inet:name.example:0".to_owned(), "").line());
            assert_eq!(line, expected, "{address} {has_allow}");
        }
    }
}
