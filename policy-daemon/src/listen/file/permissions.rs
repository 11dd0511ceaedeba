//! The mode and the owner of a socket's file, which are changed through its descriptor and can be restored.

use std::{
    io,
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
};

use nix::unistd::getgroups;
use rustix::{
    fs::{AtFlags, Stat},
    io::Errno,
    process::{getegid, geteuid},
    thread::{CapabilitySet, capabilities},
};

use super::reached::by_descriptor;

/// The mode, owner and group that a file is to have; `None` leaves the present one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Permissions {
    pub(crate) mode: Option<u32>,
    pub(crate) owner: Option<u32>,
    pub(crate) group: Option<u32>,
}

impl Permissions {
    /// Checks that this process may give them to a file of its own.
    pub(super) fn check(self) -> io::Result<()> {
        let is_own_group = |group: u32| {
            let groups = getgroups().unwrap_or_default();
            group == getegid().as_raw() || groups.iter().any(|own| own.as_raw() == group)
        };
        let is_own = self.owner.is_none_or(|owner| owner == geteuid().as_raw())
            && self.group.is_none_or(is_own_group);
        if is_own || capabilities(None)?.effective.contains(CapabilitySet::CHOWN) {
            Ok(())
        } else {
            Err(Errno::PERM.into())
        }
    }
}

/// A file whose mode or owner was changed, with the previous ones.
#[derive(Debug)]
pub(crate) struct Changed {
    file: OwnedFd,
    before: Stat,
}

impl Changed {
    /// Changes them, all or none.
    pub(super) fn of(file: OwnedFd, before: Stat, wanted: Permissions) -> io::Result<Self> {
        let changed = Self { file, before };
        match changed.set(wanted) {
            Ok(()) => Ok(changed),
            Err(error) => {
                changed.undo();
                Err(error)
            }
        }
    }

    /// Restores mode and owner.
    pub(crate) fn undo(&self) {
        let before = Permissions {
            mode: Some(self.before.st_mode & 0o7777),
            owner: Some(self.before.st_uid),
            group: Some(self.before.st_gid),
        };
        // The privileges that made the change are still there; without them nothing can be done.
        _ = self.set(before);
    }

    fn set(&self, wanted: Permissions) -> io::Result<()> {
        if wanted.owner.is_some() || wanted.group.is_some() {
            let owner = wanted.owner.map(rustix::fs::Uid::from_raw);
            let group = wanted.group.map(rustix::fs::Gid::from_raw);
            rustix::fs::chownat(&self.file, "", owner, group, AtFlags::EMPTY_PATH)?;
        }
        match wanted.mode {
            Some(mode) => std::fs::set_permissions(
                by_descriptor(&self.file),
                std::fs::Permissions::from_mode(mode),
            ),
            None => Ok(()),
        }
    }
}
