//! The name of a process, by which daemons of this program are known.

use std::fs;

/// Gives the process of a daemon its name, whatever its file is called: it may be `/proc/self/exe`.
pub(crate) fn set() {
    _ = rustix::thread::set_name(c"mtpolicyd");
}

/// Whether a process has this name. The Perl program's has it as well.
pub(crate) fn is_own(name: &str) -> bool {
    name == OWN
}

/// The name of a process, by its number.
pub(crate) fn of(process: &str) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// The name of this program's processes.
pub(crate) const OWN: &str = "mtpolicyd";
