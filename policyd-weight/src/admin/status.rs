//! The tables of the page that shows the state of the daemon.

use policy_daemon::{
    admin::{Cell, Section},
    metrics::dns,
};

use crate::policy::Policy;

pub(super) fn sections(policy: &Policy) -> Vec<Section> {
    let settings = policy.settings();
    vec![
        decisions(policy),
        dns::section_with_uses(settings.dns().lists().with_uses()),
        caches(policy),
    ]
}

fn decisions(policy: &Policy) -> Section {
    let mut section = Section::new("Decided by", ["By", "Requests", "Share"]);
    let decisions = || policy.counters().decisions();
    let all: u64 = decisions().map(|(_, count)| count).sum();
    for (by, count) in decisions() {
        let share = Cell::Share(count as f64 / all.max(1) as f64);
        section.row([Cell::text(by.replace('_', " ")), Cell::Number(count), share]);
    }
    section
}

fn caches(policy: &Policy) -> Section {
    let mut section = Section::new("Caches", ["Cache", "Clients", "Found"]);
    let (spam, ham) = policy.cache().sizes();
    let found = |names: &[&str]| {
        let lookups = policy.counters().lookups();
        let found = lookups.filter(|(result, _)| names.contains(result));
        Cell::Number(found.map(|(_, count)| count).sum())
    };
    for (name, size, results) in [
        ("rejected clients", spam, &["spam"][..]),
        ("accepted clients", ham, &["ham", "ham_to_check"]),
    ] {
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        section.row([Cell::text(name), Cell::Number(size), found(results)]);
    }
    section
}
