//! The metrics of the daemon, as they are written.

use std::{fmt, sync::Arc, time::SystemTime};

use policy_daemon::{
    admin::{Admin, Section},
    metrics::{Families, dns},
};

use crate::policy::Policy;

/// What the admin listener shows of the daemon.
#[derive(Clone, Debug)]
pub(crate) struct WeightMetrics {
    pub(crate) policy: Arc<Policy>,
}

impl Admin for WeightMetrics {
    fn families(&self, families: &mut Families<'_>) -> fmt::Result {
        let counters = self.policy.counters();
        let decisions = counters.decisions();
        let decisions = decisions.map(|(by, count)| ([("by", by)], count));
        let help = "Requests, by what decided on them";
        families.counters("decisions", help, decisions)?;
        let scores = counters.scores().histogram();
        let help = "Scores that have come to their end";
        families.histograms("score", help, None, [([("", ""); 0], scores)])?;
        let steps = counters.steps();
        let steps =
            steps.map(|(step, points, count)| ([("step", step), ("points", points)], count));
        let help = "Results of the steps of scores, by the sign of their points";
        families.counters("step_results", help, steps)?;
        self.caches(families)?;

        let settings = self.policy.settings();
        let dns = settings.dns();
        dns::write_lists(dns.lists().iter(), families)?;
        let resolver = dns.resolver();
        let counts = resolver.counts();
        dns::write_questions(counts, counts.is_answering(), resolver.cached(), families)?;
        let reloads = counters.reloads();
        let reloads = reloads.map(|(outcome, count)| ([("outcome", outcome)], count));
        let help = "How often the configuration was read again, by what came of it";
        families.counters("reloads", help, reloads)
    }

    fn sections(&self) -> Vec<Section> {
        super::status::sections(&self.policy)
    }

    fn changes(&self) -> Vec<(SystemTime, String)> {
        self.policy.changes().last()
    }

    /// Whatever `$syslog_ident` says.
    fn prefix(&self) -> Option<&str> {
        Some("policyd_weight")
    }

    fn version(&self) -> Option<&str> {
        Some(env!("CARGO_PKG_VERSION"))
    }
}

impl WeightMetrics {
    fn caches(&self, families: &mut Families<'_>) -> fmt::Result {
        let counters = self.policy.counters();
        let lookups = counters.lookups();
        let lookups = lookups.map(|(result, count)| ([("result", result)], count));
        let help = "Look-ups of clients in the caches, by what was known";
        families.counters("cache_lookups", help, lookups)?;
        let (spam, ham) = self.policy.cache().sizes();
        let sizes = [("spam", spam), ("ham", ham)].map(|(cache, size)| {
            let size = u32::try_from(size).unwrap_or(u32::MAX);
            ([("cache", cache)], f64::from(size))
        });
        let help = "Clients in the caches in memory";
        families.gauges("cache_entries", help, None, sizes)?;
        let purges = counters.purges();
        let purges = purges.map(|(cache, count)| ([("cache", cache)], count));
        let help = "Clients that have gone from a full cache";
        families.counters("cache_purged_entries", help, purges)
    }
}
