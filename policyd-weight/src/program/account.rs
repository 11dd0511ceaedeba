//! The user and the group that the daemon becomes.

use nix::unistd::{Gid, Group, Uid, User};
use policy_daemon::DaemonOptions;

use super::Exit;
use crate::{
    config::{Finding, Loaded},
    perl::Variables,
};

/// `$USER` and `$GROUP`.
#[derive(Clone, Debug)]
pub(super) struct Account {
    user: String,
    group: String,
}

impl Account {
    pub(super) fn new(options: &Variables) -> Self {
        let text = |name: &str| options.scalar(name).to_string();
        let user = text("USER");
        let group = Some(text("GROUP")).filter(|group| !group.is_empty());
        Self {
            group: group.unwrap_or_else(|| user.clone()),
            user,
        }
    }

    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// A number need not be known to the system: a container may have no list of users.
    pub(super) fn uid(&self) -> Option<Uid> {
        match self.user.parse() {
            Ok(uid) => Some(Uid::from_raw(uid)),
            Err(_) => User::from_name(&self.user).ok()?.map(|user| user.uid),
        }
    }

    pub(super) fn gid(&self) -> Option<Gid> {
        match self.group.parse() {
            Ok(gid) => Some(Gid::from_raw(gid)),
            Err(_) => Group::from_name(&self.group).ok()?.map(|group| group.gid),
        }
    }

    /// A user or a group that the system does not know. What the file does not set is for the start to refuse: under
    /// spawn(8) the user is that of master.cf.
    pub(super) fn unknown(&self, loaded: &Loaded) -> Vec<Finding> {
        let accounts = [
            (&["$USER"][..], "user", &self.user, self.uid().is_some()),
            // An empty group is that of the user's name.
            (
                &["$GROUP", "$USER"],
                "group",
                &self.group,
                self.gid().is_some(),
            ),
        ];
        let unknown = accounts.into_iter().filter(|(.., is_known)| !is_known);
        let findings = unknown.map(|(of, kind, account, _)| {
            let name = of.first().copied().unwrap_or_default();
            let set = loaded.options.scalar(name.trim_start_matches('$'));
            let is_set = set != loaded.defaults.scalar(name.trim_start_matches('$'));
            let text = format!(
                "{name}: the system has no {kind} '{account}': a start as root fails; make it, or name another one"
            );
            if is_set {
                Finding::error(of, text)
            } else {
                Finding::warning(of, text)
            }
        });
        findings.collect()
    }

    /// Has a daemon become this user, with this group.
    pub(super) fn set(&self, options: &mut DaemonOptions) -> Result<(), Exit> {
        let Self { user, group } = self;
        options.user = Some(format!("{user}:{group}"));
        options
            .check_user()
            .map_err(|_| Exit::died(format!("User {user} or group {group} doesn't exist!")))
    }
}
