//! The privileges of a daemon that root starts: some are given up at its start, all others once its sockets are bound.

use std::{io, path::Path};

use nix::unistd::{
    Pid, Uid, getgroups, getpgid, getppid, getresgid, getresuid, setgroups, setpgid, setresgid,
    setresuid, setsid,
};
use rustix::{
    fs::{Mode, OFlags},
    process::{DumpableBehavior, chdir, chroot, geteuid, set_dumpable_behavior},
    termios::isatty,
    thread::{
        CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
        clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
        set_no_new_privs,
    },
};

use crate::process::user::RunAs;

/// Makes sure that no program which this process might start has more privileges than the process: neither a set-user-ID
/// program nor a file with capabilities. To be called before threads are started: each thread has these settings, and
/// inherits them.
pub(crate) fn renounce_new_privileges() -> io::Result<()> {
    set_no_new_privs(true)?;
    for capability in CapabilitySet::all().iter() {
        // The kernel may not know all of them, and a container may forbid it. `no_new_privs` holds anyway.
        if capability_is_in_bounding_set(capability).unwrap_or(false) {
            _ = remove_capability_from_bounding_set(capability);
        }
    }
    let sets = capabilities(None)?;
    // Skipped where there is nothing to do: a filter of system calls may forbid it.
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

/// Leaves root's terminal and directory: a process that root has started there could type into the terminal (TIOCSTI),
/// read from it, or look at files in the directory. To be called before the root is changed: it needs `/dev/null`.
pub(crate) fn leave_starter() -> io::Result<()> {
    chdir("/")?;
    rustix::stdio::dup2_stdin(rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty())?)?;
    // A terminal is usually open for reading and writing. Writing is enough.
    let write_only = |path: &str| {
        let flags = OFlags::WRONLY | OFlags::NOCTTY;
        rustix::fs::open(path, flags, Mode::empty())
            .or_else(|_| rustix::fs::open("/dev/null", flags, Mode::empty()))
    };
    if isatty(rustix::stdio::stdout()) {
        rustix::stdio::dup2_stdout(write_only("/proc/self/fd/1")?)?;
    }
    if isatty(rustix::stdio::stderr()) {
        rustix::stdio::dup2_stderr(write_only("/proc/self/fd/2")?)?;
    }
    // The leader of a process group cannot leave its session: it joins its parent's group first. The leader of a
    // session has no other terminal than its own.
    if setsid().is_err() {
        // A parent, or its group, that is outside of this namespace of processes has the number 0 here.
        let is_here = |process: &Pid| process.as_raw() > 0;
        let parent = Some(getppid()).filter(is_here);
        let group = parent.and_then(|parent| getpgid(Some(parent)).ok());
        if let Some(group) = group.filter(is_here) {
            _ = setpgid(Pid::from_raw(0), group);
        }
        _ = setsid();
    }
    Ok(())
}

/// Changes the root directory, and the working directory with it. An ordinary user may not.
pub(crate) fn change_root(root: &Path) -> io::Result<()> {
    chroot(root)?;
    chdir("/")?;
    Ok(())
}

/// Gives up the capabilities with which a process of an ordinary user was started. To be called once the sockets are
/// bound, and before threads are started.
pub(crate) fn drop_capabilities() -> io::Result<()> {
    let sets = capabilities(None)?;
    if geteuid().is_root() || sets.permitted.is_empty() {
        return Ok(());
    }
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )?;
    Ok(())
}

impl RunAs {
    /// Becomes that user, for good and with all threads, and makes sure of it. No other process can look into this one
    /// then, not even one of that user.
    pub(crate) fn apply(&self) -> io::Result<()> {
        let (uid, gid) = (self.uid, self.gid);
        setgroups(&self.groups)?;
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)?;
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        self.check()
    }

    /// Whether nothing is left of the privileges before.
    fn check(&self) -> io::Result<()> {
        let (users, groups) = (getresuid()?, getresgid()?);
        let is_user = [users.real, users.effective, users.saved] == [self.uid; 3];
        let is_group = [groups.real, groups.effective, groups.saved] == [self.gid; 3];
        let has_other_group = getgroups()?
            .iter()
            .any(|group| !self.groups.contains(group));
        let sets = capabilities(None)?;
        let no_capability =
            self.uid.is_root() || (sets.effective | sets.permitted | sets.inheritable).is_empty();
        let no_way_back = self.uid.is_root() || setresuid(ROOT, ROOT, ROOT).is_err();
        if is_user && is_group && !has_other_group && no_capability && no_way_back {
            Ok(())
        } else {
            Err(io::Error::other("some rights of before are left"))
        }
    }
}

/// What a process needs to become another user, as root has it.
pub(crate) const CHANGES_USER: CapabilitySet = CapabilitySet::SETUID.union(CapabilitySet::SETGID);
const ROOT: Uid = Uid::from_raw(0);
