//! The groups of services, as the log names them: by nothing at all where there is one.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{Journal, outage::Outage};
use policy_daemon::log::ALL;

/// A group of services, with its outages.
#[derive(Clone, Debug)]
pub(super) struct GroupLog {
    pub(super) name: String,
    pub(super) outage: Arc<Outage>,
}

/// Requests that no service answered, since the start, of all groups.
#[derive(Clone, Debug, Default)]
pub(super) struct Unanswered(Arc<AtomicU64>);

impl Unanswered {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Journal {
    /// With groups of these names, in the order of their services. Those that there are go on.
    pub(crate) fn with_groups<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let group = |name: &str| {
            let mut known = self.groups.iter();
            let known = known.find(|group| group.name == name).cloned();
            known.unwrap_or_else(|| GroupLog {
                name: name.to_owned(),
                outage: Arc::default(),
            })
        };
        let groups = names.into_iter().map(group).collect();
        Self { groups, ..self }
    }

    /// Whether there are several groups, which lines tell apart.
    pub(super) const fn has_groups(&self) -> bool {
        self.groups.len() > 1
    }

    /// The name of a group, where there are several.
    pub(super) fn group_name(&self, group: usize) -> Option<&str> {
        let group = self.groups.get(group).filter(|_| self.has_groups());
        group.map(|group| group.name.as_str())
    }

    /// ` of group 'NAME'`, where there are several.
    pub(super) fn of_group(&self, group: usize) -> String {
        let name = self.group_name(group);
        name.map_or_else(String::new, |name| format!(" of group '{name}'"))
    }

    /// The subject of a line about a group: with one group the line is about all.
    pub(super) const fn subject_of(group: usize) -> usize {
        ALL.wrapping_sub(group)
    }
}
