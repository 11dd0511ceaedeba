//! The programs that the machine must have.

use std::process::{Command, Stdio};

/// # Panics
///
/// Panics, and says what to install, when something is missing.
pub(super) fn check() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test starts a Postfix of its own: run it as root"
    );
    assert!(
        runs("postconf", "-d"),
        "this test starts a Postfix of its own: install the Debian package `postfix`"
    );
    assert!(
        runs("openssl", "version"),
        "this test speaks TLS: install the Debian package `openssl`"
    );
}

fn runs(program: &str, argument: &str) -> bool {
    let status = Command::new(program)
        .arg(argument)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
