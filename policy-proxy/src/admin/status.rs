//! The tables of the page that shows the state of the proxy.

use std::time::{Instant, SystemTime};

use policy_daemon::{
    admin::{Cell, Sample, Section},
    metrics::RequestMetrics,
};
use policy_ha::Mode;

use super::Snapshot;
use crate::mirror::Compared;

impl Snapshot {
    /// A request that no service answered, and one without a reply, is an error.
    pub(super) fn sample(&self) -> Sample {
        let mut sample = RequestMetrics::sample(self.requests_of_workers());
        sample.errors = sample.errors.max(self.sum(|worker| &worker.unanswered));
        sample
    }

    pub(super) fn tables(&self) -> Vec<Section> {
        let mut tables = vec![
            self.services_table(),
            RequestMetrics::section(self.requests_of_workers()),
        ];
        if !self.proxy.mirrors.is_empty() {
            tables.push(self.mirrors_table());
        }
        tables
    }

    fn services_table(&self) -> Section {
        let columns = [
            "Service",
            "State",
            "Mode",
            "Since",
            "Why it failed last",
            "Answered",
            "Share",
            "Failed",
            "Half, 99 % within",
            "Connections",
        ];
        let mut section = Section::new("Services", columns);
        let states = self.proxy.states();
        let all: u64 = states.iter().map(|state| state.counts.answered).sum();
        let journal = &self.proxy.journal;
        for (at, (name, state)) in journal.names().zip(&states).enumerate() {
            let took = self.proxy.totals_of(at).took;
            let up_for = || Some(journal.up_since(at)?.elapsed());
            let since = state.down_for(Instant::now()).or_else(up_for);
            let since = since.and_then(|time| SystemTime::now().checked_sub(time));
            let up = if state.is_down() { "down" } else { "up" };
            let mode = match state.mode {
                Mode::Enabled => Cell::text("enabled"),
                Mode::Drain => Cell::bad("drain"),
                Mode::Disabled => Cell::bad("disabled"),
            };
            let answered = state.counts.answered;
            let connections = u64::try_from(state.connections).unwrap_or(u64::MAX);
            let name = if self.proxy.has_groups() {
                format!("{name}, group {}", self.proxy.group_name(at))
            } else {
                name.to_owned()
            };
            section.row([
                Cell::text(name),
                Cell::State(!state.is_down(), up.to_owned()),
                mode,
                since.map_or_else(|| Cell::text("the start"), Cell::Since),
                Cell::text(journal.reason(at)),
                Cell::Number(answered),
                Cell::Share(answered as f64 / all.max(1) as f64),
                Cell::Number(state.counts.failed),
                Cell::Durations(took),
                Cell::Number(connections),
            ]);
        }
        section
    }

    fn mirrors_table(&self) -> Section {
        let columns = [
            "Mirror",
            "Same",
            "Other text",
            "Other action",
            "No answer",
            "Dropped",
        ];
        let mut section = Section::new("Mirrors", columns);
        for mirror in &self.proxy.mirrors {
            let count = |compared| Cell::Number(mirror.counts.get(compared));
            section.row([
                Cell::text(mirror.options.name.as_str()),
                count(Compared::Same),
                count(Compared::Text),
                count(Compared::Action),
                count(Compared::Unanswered),
                Cell::Number(mirror.counts.dropped()),
            ]);
        }
        section
    }

    fn requests_of_workers(&self) -> impl Iterator<Item = &RequestMetrics> + Clone {
        self.proxy.metrics.iter().map(|worker| &worker.requests)
    }
}
