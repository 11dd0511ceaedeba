//! The DNS lists of a configuration: each is there once, however many plugins ask it, so that what is known of its health
//! is known to all.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::join_all;
use policy_dns::list::{DnsList, Failing, Status, keep_tested};

use crate::services::Services;

/// The DNS lists of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Lists(Vec<Entry>);

#[derive(Clone)]
struct Entry {
    /// The zone as the configuration has it: it may hold a key.
    zone: String,
    kind: ListKind,
    list: Arc<DnsList>,
}

/// What a list is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ListKind {
    Addresses,
    Domains,
}

impl Lists {
    /// The list of this zone with the same options, if there is one.
    pub(crate) fn find(&self, zone: &str, kind: ListKind, list: &DnsList) -> Option<Arc<DnsList>> {
        let is_same = |entry: &&Entry| {
            entry.zone == zone && entry.kind == kind && entry.list.options() == list.options()
        };
        self.0
            .iter()
            .find(is_same)
            .map(|entry| Arc::clone(&entry.list))
    }

    pub(crate) fn push(&mut self, zone: &str, kind: ListKind, list: &Arc<DnsList>) {
        self.0.push(Entry {
            zone: zone.to_owned(),
            kind,
            list: Arc::clone(list),
        });
    }

    /// The lists.
    pub fn iter(&self) -> impl Iterator<Item = &DnsList> {
        self.0.iter().map(|entry| &*entry.list)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets the errors of all lists, which were those of name servers.
    pub fn forget_errors(&self) {
        self.iter().for_each(DnsList::forget_errors);
    }

    /// Tests all lists once.
    pub async fn test(&self, services: &Services) {
        let tests = self.iter().map(|list| list.self_test(&services.dns));
        join_all(tests).await;
    }

    /// Tests all lists at once and then hourly (RFC 5782, 5), and logs each change of a list once. It never ends; dropping
    /// the future ends it.
    pub async fn keep_tested(&self, services: &Services) {
        let lists: Vec<_> = self.0.iter().map(|entry| Arc::clone(&entry.list)).collect();
        let is_good = |list: &Arc<DnsList>| !matches!(list.status(), Status::Failing(_));
        let mut is_known_good: Vec<_> = lists.iter().map(is_good).collect();
        keep_tested(&lists, &services.dns, HOUR, |list, status| {
            let index = lists.iter().position(|other| std::ptr::eq(&**other, list));
            let Some(is_good) = index.and_then(|index| is_known_good.get_mut(index)) else {
                return;
            };
            let zone = list.zone();
            match status {
                Status::Failing(failing) => {
                    *is_good = false;
                    let failing = reason(failing);
                    let text =
                        format!("list {zone} is not asked until it passes its test: {failing}");
                    services.journal.warning(&text);
                    services.journal.changes().add(text);
                }
                Status::Good if !*is_good => {
                    *is_good = true;
                    let text = format!("list {zone} passes its test and is asked again");
                    services.journal.line(1, &text);
                    services.journal.changes().add(text);
                }
                _ => {}
            }
        })
        .await;
    }
}

/// The reason, with what an administrator can do about it.
fn reason(failing: Failing) -> String {
    let more = match failing {
        Failing::EntryMissing => " (a list of your own that has none: self_test = 0)",
        _ => "",
    };
    format!("{failing}{more}")
}

/// Without the zone, which may hold a key.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.fmt(f)
    }
}

const HOUR: Duration = Duration::from_secs(3600);
