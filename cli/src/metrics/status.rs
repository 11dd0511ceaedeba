//! The tables of the page that shows the state of the proxy.

use policy_daemon::{
    admin::{Cell, Sample, Section},
    metrics::{Durations, RequestMetrics},
};
use policy_ha::Mode;

use crate::metrics::collector::ProxyMetrics;

impl ProxyMetrics {
    /// A request that no service answered, and one without a reply, is an error.
    pub(super) fn whole_sample(&self) -> Sample {
        let mut sample = RequestMetrics::sample(self.requests_of_workers());
        sample.errors = sample.errors.max(self.sum(|worker| &worker.unanswered));
        sample
    }

    pub(super) fn tables(&self) -> Vec<Section> {
        vec![
            self.services_table(),
            RequestMetrics::section(self.requests_of_workers()),
        ]
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
        let known = self.proxy.journal.known().zip(&states).enumerate();
        for (at, ((name, since, reason), state)) in known {
            let workers = self.proxy.metrics.iter();
            let took = workers.filter_map(|worker| worker.services.get(at));
            let took = Durations::sum(took.map(|service| &service.took));
            let up = if state.is_down() { "down" } else { "up" };
            let mode = match state.mode {
                Mode::Enabled => Cell::text("enabled"),
                Mode::Drain => Cell::bad("drain"),
                Mode::Disabled => Cell::bad("disabled"),
            };
            let answered = state.counts.answered;
            let connections = u64::try_from(state.connections).unwrap_or(u64::MAX);
            section.row([
                Cell::text(name),
                Cell::State(!state.is_down(), up.to_owned()),
                mode,
                Cell::Since(since),
                Cell::text(reason),
                Cell::Number(answered),
                Cell::Share(answered as f64 / all.max(1) as f64),
                Cell::Number(state.counts.failed),
                Cell::Durations(took),
                Cell::Number(connections),
            ]);
        }
        section
    }

    fn requests_of_workers(&self) -> impl Iterator<Item = &RequestMetrics> + Clone {
        self.proxy.metrics.iter().map(|worker| &worker.requests)
    }
}
