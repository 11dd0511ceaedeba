//! The tables of the page that shows the state of the daemon.

use std::time::SystemTime;

use policy_daemon::{
    admin::{Cell, Section},
    metrics::{ActionClass, dns},
};
use policy_store::BreakerState;

use crate::{config::Config, counters::ProcessCounters};

pub(super) fn sections(config: &Config, process: &ProcessCounters) -> Vec<Section> {
    let parts = [
        hosts(config),
        stores(config),
        dns::section(config.lists.iter()),
        limits(config),
        plugins(config),
        errors(config),
        sessions(process),
    ];
    let parts = parts.into_iter();
    parts.filter(|section| !section.rows.is_empty()).collect()
}

fn hosts(config: &Config) -> Section {
    let columns = [
        "Virtual host",
        "Requests",
        "Rejected",
        "Deferred",
        "Without a reply",
    ];
    let mut section = Section::new("Virtual hosts", columns);
    for (name, counters) in &config.counters.hosts {
        let of = |class| counters.replies(class);
        section.row([
            Cell::text(&**name),
            Cell::Number(ActionClass::ALL.into_iter().map(of).sum()),
            Cell::Number(of(ActionClass::Reject)),
            Cell::Number(of(ActionClass::Defer)),
            Cell::Number(of(ActionClass::Close)),
        ]);
    }
    section
}

fn stores(config: &Config) -> Section {
    let columns = [
        "Connection",
        "Server",
        "State",
        "Since",
        "Why",
        "Answered",
        "Failed",
        "Timed out",
        "Not asked",
        "Used by",
    ];
    let mut section = Section::new("Stores", columns);
    for (name, breaker) in config.connections.breakers() {
        let (status, calls) = (breaker.status(), breaker.calls());
        let is_up = status.state == BreakerState::Closed;
        let state = match status.state {
            BreakerState::Closed => "up",
            BreakerState::Open => "away",
            BreakerState::Trying => "away, tried now",
        };
        let since = SystemTime::now().checked_sub(status.since.elapsed());
        section.row([
            Cell::text(name),
            Cell::text(breaker.name()),
            Cell::State(is_up, state.to_owned()),
            since.map_or_else(|| Cell::text(""), Cell::Since),
            Cell::text(status.error.as_deref().unwrap_or_default()),
            Cell::Number(calls.answered),
            Cell::Number(calls.failed),
            Cell::Number(calls.timed_out),
            Cell::Number(calls.refused),
            Cell::text(config.connections.users(name).join(", ")),
        ]);
    }
    section
}

fn limits(config: &Config) -> Section {
    let mut section = Section::new("Limits", ["Limit", "Virtual host", "Metric", "Blocks"]);
    for ((host, limit, metric), counters) in &config.counters.limits {
        section.row([
            Cell::text(&**limit),
            Cell::text(&**host),
            Cell::text(*metric),
            Cell::Number(counters.blocks.get()),
        ]);
    }
    section
}

fn plugins(config: &Config) -> Section {
    let columns = [
        "Plugin",
        "Virtual host",
        "Passed",
        "Answered",
        "Failed",
        "Timed out",
    ];
    let mut section = Section::new("Plugins", columns);
    for ((host, plugin), counters) in &config.counters.plugins {
        let mut counts = counters.outcomes().map(|(_, count)| Cell::Number(count));
        let mut next = || counts.next().unwrap_or(Cell::Number(0));
        section.row([
            Cell::text(&**plugin),
            Cell::text(&**host),
            next(),
            next(),
            next(),
            next(),
        ]);
    }
    section
}

/// What came of plugins' errors.
fn errors(config: &Config) -> Section {
    let mut section = Section::new("Errors of plugins", ["On error", "Requests"]);
    for (name, count) in config.counters.on_error() {
        section.row([Cell::text(name), Cell::Number(count)]);
    }
    section
}

fn sessions(process: &ProcessCounters) -> Section {
    let mut section = Section::new("Sessions", ["Outcome", "Sessions"]);
    for (name, count) in process.sessions() {
        section.row([Cell::text(name), Cell::Number(count)]);
    }
    section
}
