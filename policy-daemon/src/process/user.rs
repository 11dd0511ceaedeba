//! Users and groups by name or number.

use std::ffi::CString;

use nix::{
    errno::Errno,
    unistd::{Gid, Group, Uid, User, getgrouplist},
};

/// A user by name or number, which need not be known to the system.
pub(crate) fn user(name: &str) -> Option<Uid> {
    Some(known_or_number(name)?.0)
}

/// A group by name or number.
pub(crate) fn group(name: &str) -> Option<Gid> {
    match name.parse() {
        // This number means no group to the system.
        Ok(u32::MAX) => None,
        Ok(gid) => Some(Gid::from_raw(gid)),
        Err(_) => Some(Group::from_name(name).ok()??.gid),
    }
}

/// The user of this number, if the system knows one. A container may have no list of users at all.
pub(crate) fn known(uid: Uid) -> nix::Result<Option<User>> {
    match User::from_uid(uid) {
        Err(Errno::ENOENT) => Ok(None),
        found => found,
    }
}

fn known_or_number(name: &str) -> Option<(Uid, Option<User>)> {
    match name.parse() {
        Ok(u32::MAX) => None,
        Ok(uid) => {
            let uid = Uid::from_raw(uid);
            Some((uid, known(uid).ok()?))
        }
        Err(_) => {
            let user = User::from_name(name).ok()??;
            Some((user.uid, Some(user)))
        }
    }
}

/// The user to run as: `USER[:GROUP[,GROUP...]]`. With several groups the user has these and no others.
///
/// All names are looked up where it is read: a daemon that changes its root finds none of them afterwards.
#[derive(Debug)]
pub(crate) struct RunAs {
    /// As it was written.
    pub(crate) text: String,
    pub(crate) uid: Uid,
    /// The group that is given, or the user's own; for a user that the system does not know, the group of the same number.
    pub(crate) gid: Gid,
    /// All groups, this one among them: those that are given, or else the user's.
    pub(crate) groups: Vec<Gid>,
}

impl RunAs {
    /// `None` if there is no such user or group.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, group_name) = match text.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (text, None),
        };
        let mut groups = group_name.into_iter().flat_map(|list| list.split(','));
        let group_name = groups.next();
        let more = groups.map(group).collect::<Option<Vec<_>>>()?;
        let (uid, user) = known_or_number(name)?;
        let own_group = user.as_ref().map(|user| user.gid);
        let gid = match group_name {
            Some(name) => group(name)?,
            None => own_group.unwrap_or_else(|| Gid::from_raw(uid.as_raw())),
        };
        let groups = match user {
            Some(user) if more.is_empty() => {
                getgrouplist(&CString::new(user.name).ok()?, gid).ok()?
            }
            _ => [&[gid][..], &more].concat(),
        };
        Some(Self {
            text: text.to_owned(),
            uid,
            gid,
            groups,
        })
    }
}
