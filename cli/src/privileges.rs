//! The rights of a daemon that root starts: what is given up at its start, and all the rest once its sockets are bound.

use std::io;

use nix::unistd::{
    Gid, Uid, getgrouplist, getgroups, getresgid, getresuid, setgroups, setresgid, setresuid,
};
use rustix::{
    process::{DumpableBehavior, set_dumpable_behavior},
    thread::{
        CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
        remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
    },
};

use crate::users::RunAs;

/// Sees to it that no program which this process might start ever has more rights than the process: no set-user-ID
/// program, no capability of a file. To be called before threads are started: these are the thread's, and
/// the threads that it starts have them too.
pub(crate) fn renounce_new_rights() -> io::Result<()> {
    set_no_new_privs(true)?;
    for capability in CapabilitySet::all().iter() {
        // The system has not heard of all that this knows, and in a container it may be forbidden. The first
        // measure holds all the same.
        if capability_is_in_bounding_set(capability).unwrap_or(false) {
            _ = remove_capability_from_bounding_set(capability);
        }
    }
    let sets = capabilities(None)?;
    // Not where there is nothing to do: a system call filter may forbid it.
    if !sets.inheritable.is_empty() {
        let inheritable = CapabilitySet::empty();
        set_capabilities(
            None,
            CapabilitySets {
                inheritable,
                ..sets
            },
        )?;
    }
    Ok(())
}

impl RunAs {
    /// Becomes that user, for good and for all threads, and makes sure of it. Nobody can look into the process
    /// then, not even another one of that user.
    pub(crate) fn become_it(&self) -> io::Result<()> {
        let (uid, gid) = (self.uid, self.gid);
        setgroups(&self.groups()?)?;
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)?;
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        self.check()
    }

    fn groups(&self) -> nix::Result<Vec<Gid>> {
        match &self.name {
            Some(name) => getgrouplist(name, self.gid),
            None => Ok(vec![self.gid]),
        }
    }

    /// Whether nothing is left of the rights before.
    fn check(&self) -> io::Result<()> {
        let (users, groups) = (getresuid()?, getresgid()?);
        let is_user = [users.real, users.effective, users.saved] == [self.uid; 3];
        let is_group = [groups.real, groups.effective, groups.saved] == [self.gid; 3];
        let own_groups = self.groups()?;
        let has_other_group = getgroups()?.iter().any(|group| !own_groups.contains(group));
        let sets = capabilities(None)?;
        let no_capability =
            self.uid.is_root() || (sets.effective | sets.permitted | sets.inheritable).is_empty();
        let no_way_back = self.uid.is_root() || setresuid(ROOT, ROOT, ROOT).is_err();
        match is_user && is_group && !has_other_group && no_capability && no_way_back {
            true => Ok(()),
            false => Err(io::Error::other("some rights of before are left")),
        }
    }
}

const ROOT: Uid = Uid::from_raw(0);
