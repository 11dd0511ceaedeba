//! Why the system would not let a new file take the place of one.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, ErrorKind},
};

use rustix::{
    fs::{AtFlags, Mode, Statx, StatxAttributes, StatxFlags, statx},
    process::geteuid,
    thread::{CapabilitySet, capabilities},
};

/// Looks at a directory and at a file in it, if there is one.
///
/// # Errors
///
/// What would keep a file of this user's in that directory from being renamed to that name, as far as the system shows it.
pub(super) fn check(directory: &File, name: &OsStr) -> io::Result<()> {
    // An old system does not answer, and renaming may still succeed.
    let Ok(of_directory) = look(directory, OsStr::new(""), AtFlags::EMPTY_PATH) else {
        return Ok(());
    };
    check_flags(&of_directory, "its directory is")?;
    let Ok(of_file) = look(directory, name, AtFlags::SYMLINK_NOFOLLOW) else {
        return Ok(());
    };
    if of_file.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return Err(io::Error::new(
            ErrorKind::ResourceBusy,
            "it is a mount point",
        ));
    }
    check_flags(&of_file, "it is")?;
    let is_sticky = Mode::from_raw_mode(of_directory.stx_mode.into()).contains(Mode::SVTX);
    let own = geteuid().as_raw();
    if is_sticky && ![of_file.stx_uid, of_directory.stx_uid].contains(&own) && !may_replace_all() {
        return denied("it is another user's, and its directory has the sticky bit");
    }
    Ok(())
}

fn look(directory: &File, name: &OsStr, flags: AtFlags) -> rustix::io::Result<Statx> {
    statx(directory, name, flags, StatxFlags::BASIC_STATS)
}

/// The flags that even root's files have to be freed from first.
fn check_flags(found: &Statx, what: &str) -> io::Result<()> {
    for (flag, text) in [
        (StatxAttributes::IMMUTABLE, "immutable (chattr +i)"),
        (StatxAttributes::APPEND, "append-only (chattr +a)"),
    ] {
        if found.stx_attributes.contains(flag) {
            return denied(format!("{what} {text}"));
        }
    }
    Ok(())
}

/// Whether the sticky bit does not count for this process, as for root.
fn may_replace_all() -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::FOWNER))
}

fn denied(text: impl Into<String>) -> io::Result<()> {
    Err(io::Error::new(ErrorKind::PermissionDenied, text.into()))
}
