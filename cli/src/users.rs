use std::{ffi::CString, io};

use nix::unistd::{Gid, Group, Uid, User, initgroups, setgid, setuid};

/// A user by name or number.
pub(crate) fn user(name: &str) -> Option<User> {
    match name.parse() {
        Ok(uid) => User::from_uid(Uid::from_raw(uid)).ok()?,
        Err(_) => User::from_name(name).ok()?,
    }
}

/// A group by name or number.
pub(crate) fn group(name: &str) -> Option<Gid> {
    match name.parse() {
        Ok(gid) => Some(Gid::from_raw(gid)),
        Err(_) => Some(Group::from_name(name).ok()??.gid),
    }
}

/// Whom to run as: `USER[:GROUP]`.
#[derive(Debug)]
pub(crate) struct RunAs {
    /// As it was asked for.
    pub(crate) asked: String,
    name: CString,
    uid: Uid,
    gid: Gid,
}

impl RunAs {
    /// `None` if there is no such user or group.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, group_name) = match text.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (text, None),
        };
        let user = user(name)?;
        let gid = match group_name {
            Some(name) => group(name)?,
            None => user.gid,
        };
        Some(Self {
            asked: text.to_owned(),
            name: CString::new(user.name).ok()?,
            uid: user.uid,
            gid,
        })
    }

    pub(crate) fn uid(&self) -> u32 {
        self.uid.as_raw()
    }

    /// Becomes that user, for good and for all threads.
    pub(crate) fn become_it(&self) -> io::Result<()> {
        initgroups(&self.name, self.gid)?;
        setgid(self.gid)?;
        setuid(self.uid)?;
        Ok(())
    }
}
