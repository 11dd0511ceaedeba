//! A program with name servers of its own.

use std::{ffi::OsStr, path::Path, process::Command};

/// A command that starts a program in a mount namespace of its own, where `/etc/resolv.conf` is this file. What is written into
/// the file later is seen. Needs root.
pub fn with_resolv_conf(file: &Path, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("unshare");
    let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
    command.args(["--mount", "--propagation", "private", "sh", "-c", script]);
    command.arg(file).arg(program);
    command
}
