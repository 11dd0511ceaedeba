//! Work on the files of another user with that user's privileges, not with root's.

use std::io;

use nix::unistd::{Gid, Uid, getgroups, setfsgid, setfsuid, setgroups};
use rustix::thread::{CapabilitySets, capabilities, set_capabilities};

use crate::process::{privileges::CHANGES_USER, user::known};

/// Works with that user's privileges on files, and without root's groups and capabilities.
///
/// To be called before threads are started: the groups are the process's.
pub(crate) fn with_rights_of<T>(uid: Uid, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let _back = Rights::change(uid)?;
    work()
}

/// The settings before, which come back when this is dropped.
struct Rights {
    groups: Vec<Gid>,
    capabilities: CapabilitySets,
}

impl Rights {
    fn change(uid: Uid) -> io::Result<Self> {
        let own_group = known(uid)?.map(|user| user.gid);
        let gid = own_group.unwrap_or_else(|| Gid::from_raw(uid.as_raw()));
        let before = Self {
            groups: getgroups()?,
            capabilities: capabilities(None)?,
        };
        setgroups(&[])?;
        setfsgid(gid);
        setfsuid(uid);
        // The system has usually taken away those for files. Two are needed to come back.
        let effective = before.capabilities.effective & CHANGES_USER;
        set_capabilities(
            None,
            CapabilitySets {
                effective,
                ..before.capabilities
            },
        )?;
        // The calls do not report a failure; no user has this number.
        let none = u32::MAX;
        let users = setfsuid(Uid::from_raw(none)) == uid && setfsgid(Gid::from_raw(none)) == gid;
        if users && getgroups()?.is_empty() {
            Ok(before)
        } else {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }
}

impl Drop for Rights {
    fn drop(&mut self) {
        setfsuid(Uid::effective());
        setfsgid(Gid::effective());
        // Where these fail the daemon has fewer privileges, and reports the lack.
        _ = set_capabilities(None, self.capabilities);
        _ = setgroups(&self.groups);
    }
}
