//! The rights of a daemon that root starts: what is given up at its start, and all the rest once its sockets are bound.

use std::io;

use nix::unistd::{
    Gid, Uid, getgrouplist, getgroups, getresgid, getresuid, setgroups, setresgid, setresuid,
};
use rustix::{
    fs::{Mode, OFlags},
    process::{
        DumpableBehavior, chdir, geteuid, getpgid, getppid, set_dumpable_behavior, setpgid, setsid,
    },
    termios::isatty,
    thread::{
        CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
        clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
        set_no_new_privs,
    },
};

use crate::daemon::process::user::RunAs;

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

/// Gives up what a process that root has started from a terminal could do to root there: type into it
/// (TIOCSTI), read from it, or look at files from root's directory.
fn leave_starter() -> io::Result<()> {
    chdir("/")?;
    rustix::stdio::dup2_stdin(rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty())?)?;
    // A terminal is open for both ways, as a rule. Writing is enough.
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
    // session has nobody's terminal but its own.
    if setsid().is_err() {
        let parent = getppid().and_then(|parent| getpgid(Some(parent)).ok());
        _ = parent.map(|group| setpgid(None, Some(group)));
        _ = setsid();
    }
    Ok(())
}

/// Gives up capabilities that a process of an ordinary user was started with, once its sockets are bound. To be called
/// before threads are started.
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
    /// Becomes that user, for good and for all threads, and makes sure of it. Nobody can look into the process
    /// then, not even another one of that user.
    pub(crate) fn become_it(&self) -> io::Result<()> {
        if geteuid().is_root() {
            leave_starter()?;
        }
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
