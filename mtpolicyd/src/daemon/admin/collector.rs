//! The metrics of the daemon, as they are written.

use std::{collections::BTreeMap, fmt, sync::Arc, time::SystemTime};

use policy_daemon::{
    admin::{Admin, Section},
    metrics::{ActionClass, Families, dns},
};
use policy_store::BreakerState;

use crate::{config::Config, daemon::Server};

/// What the admin listener shows of the daemon.
#[derive(Clone, Debug)]
pub(crate) struct MtpolicydMetrics {
    pub(crate) server: Arc<Server>,
}

impl Admin for MtpolicydMetrics {
    fn families(&self, families: &mut Families<'_>) -> fmt::Result {
        let config = self.server.config();
        requests(&config, families)?;
        self.dns(&config, families)?;
        stores(&config, families)?;
        let process = self.server.counters();
        let sessions = process.sessions();
        let sessions = sessions.map(|(outcome, count)| ([("outcome", outcome)], count));
        let help = "Sessions of mails, by what came of them";
        families.counters("sessions", help, sessions)?;
        limits(&config, families)?;
        let reloads = process.reloads();
        let reloads = reloads.map(|(outcome, count)| ([("outcome", outcome)], count));
        let help = "How often the configuration was read again, by what came of it";
        families.counters("reloads", help, reloads)
    }

    fn sections(&self) -> Vec<Section> {
        super::status::sections(&self.server.config(), self.server.counters())
    }

    fn changes(&self) -> Vec<(SystemTime, String)> {
        self.server.services().journal.changes().last()
    }

    /// Whatever `syslog_ident` says.
    fn prefix(&self) -> Option<&str> {
        Some("mtpolicyd")
    }

    fn version(&self) -> Option<&str> {
        Some(env!("CARGO_PKG_VERSION"))
    }
}

impl MtpolicydMetrics {
    fn dns(&self, config: &Config, families: &mut Families<'_>) -> fmt::Result {
        dns::write_lists(config.lists.iter(), families)?;
        let asked = &self.server.services().dns;
        let (counts, cached) = asked.counts();
        dns::write_questions(counts, !asked.is_away(), cached, families)
    }
}

fn requests(config: &Config, families: &mut Families<'_>) -> fmt::Result {
    let counters = &config.counters;
    let hosts = counters.hosts.iter().flat_map(|(host, counters)| {
        ActionClass::ALL.map(|class| {
            let labels = [("virtual_host", &**host), ("action", class.name())];
            (labels, counters.replies(class))
        })
    });
    let help = "Requests by virtual host and the class of the action";
    families.counters("virtual_host_requests", help, hosts)?;
    let plugins = counters.plugins.iter().flat_map(|((host, plugin), of)| {
        of.outcomes().map(move |(outcome, count)| {
            let labels = [
                ("virtual_host", &**host),
                ("plugin", &**plugin),
                ("outcome", outcome),
            ];
            (labels, count)
        })
    });
    let help = "Turns of plugins, by what came of them";
    families.counters("plugin_runs", help, plugins)
}

fn stores(config: &Config, families: &mut Families<'_>) -> fmt::Result {
    let mut rows = BTreeMap::<&str, ([u64; 4], bool)>::new();
    let breakers = config.connections.breakers();
    for (name, breaker) in &breakers {
        let (sums, is_up) = rows.entry(name).or_insert(([0; 4], true));
        let calls = breaker.calls();
        let counts = [calls.answered, calls.failed, calls.timed_out, calls.refused];
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
        *is_up &= breaker.state() == BreakerState::Closed;
    }
    let calls = rows.iter().flat_map(|(name, (counts, _))| {
        let outcomes = CALLS.into_iter().zip(*counts);
        outcomes.map(move |(outcome, count)| ([("connection", *name), ("outcome", outcome)], count))
    });
    let help = "Calls of the server behind a connection, by what came of them";
    families.counters("store_calls", help, calls)?;
    let up = rows.iter().map(|(name, (_, is_up))| {
        let is_up = f64::from(u8::from(*is_up));
        ([("connection", *name)], is_up)
    });
    let help = "Whether all servers behind a connection are asked, 1 or 0";
    families.gauges("store_up", help, None, up)
}

fn limits(config: &Config, families: &mut Families<'_>) -> fmt::Result {
    let limits = || config.counters.limits.iter();
    let blocks = limits().map(|((host, limit, metric), counters)| {
        let labels = [
            ("virtual_host", &**host),
            ("limit", &**limit),
            ("metric", *metric),
        ];
        (labels, counters.blocks.get())
    });
    let help = "Requests that a limit has blocked or scored";
    families.counters("limit_blocks", help, blocks)?;
    let values = limits().filter_map(|((host, limit, metric), counters)| {
        let values = counters.values.as_ref()?;
        let labels = [
            ("virtual_host", &**host),
            ("limit", &**limit),
            ("metric", *metric),
        ];
        Some((labels, values.histogram()))
    });
    let help =
        "How many different addresses, countries or recipients an account had when it was counted";
    families.histograms("limit_values", help, None, values)
}

const CALLS: [&str; 4] = ["answered", "failed", "timeout", "refused"];
