//! Users and groups by name or number.

use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User};

/// A user by name or number.
pub(crate) fn user(name: &str) -> Option<User> {
    match name.parse() {
        Ok(u32::MAX) => None,
        Ok(uid) => User::from_uid(Uid::from_raw(uid)).ok()?,
        Err(_) => User::from_name(name).ok()?,
    }
}

/// A group by name or number.
pub(crate) fn group(name: &str) -> Option<Gid> {
    match name.parse() {
        // To the system this number means none.
        Ok(u32::MAX) => None,
        Ok(gid) => Some(Gid::from_raw(gid)),
        Err(_) => Some(Group::from_name(name).ok()??.gid),
    }
}

/// Whom to run as: `USER[:GROUP]`.
#[derive(Debug)]
pub(crate) struct RunAs {
    /// As it was asked for.
    pub(crate) asked: String,
    pub(crate) name: CString,
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
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
}
