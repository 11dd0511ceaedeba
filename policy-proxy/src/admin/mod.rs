//! The listener of `--admin` shows the metrics of the proxy, its state as a page, and whether it is ready.

use std::{
    fmt,
    sync::Arc,
    time::{Instant, SystemTime},
};

use policy_daemon::{
    admin::{Admin, Sample, Section},
    metrics::{Counter, Durations, Families, RequestMetrics, Unit},
};
use policy_ha::Mode;

use crate::{
    metrics::{Failure, GroupMetrics, ServiceMetrics, WorkerMetrics},
    mirror::Compared,
    proxy::{CurrentProxy, Proxy},
};

mod permits;

mod reloads;
pub(crate) use reloads::Reloads;

mod status;

/// The metrics of the proxy, as it is when somebody asks.
#[derive(Clone, Debug)]
pub(crate) struct ProxyMetrics {
    pub(crate) current: CurrentProxy,
    pub(crate) reloads: Arc<Reloads>,
}

/// The metrics of the proxy of some settings.
pub(super) struct Snapshot {
    pub(super) proxy: Arc<Proxy>,
}

impl ProxyMetrics {
    fn snapshot(&self) -> Snapshot {
        Snapshot {
            proxy: self.current.get(),
        }
    }
}

impl Admin for ProxyMetrics {
    fn families(&self, families: &mut Families<'_>) -> fmt::Result {
        let snapshot = self.snapshot();
        snapshot.requests(families)?;
        snapshot.clients(families)?;
        snapshot.groups(families)?;
        snapshot.mirrors(families)?;
        snapshot.services(families)?;
        snapshot.permits(families)?;
        self.reloads.write(families)
    }

    fn version(&self) -> Option<&str> {
        Some(env!("CARGO_PKG_VERSION"))
    }

    fn sample(&self) -> Sample {
        self.snapshot().sample()
    }

    fn sections(&self) -> Vec<Section> {
        self.snapshot().tables()
    }

    fn changes(&self) -> Vec<(SystemTime, String)> {
        self.current.get().journal.changes.last()
    }

    fn not_ready(&self) -> Option<String> {
        let proxy = self.current.get();
        proxy.nobody_to_ask().or_else(|| {
            let mut groups = 0..proxy.shared.len();
            groups.find_map(|group| {
                let states = proxy.states_of(group);
                let is_down = states.iter().all(|state| state.is_down());
                is_down.then(|| proxy.about_group(group, "every service is down"))
            })
        })
    }
}

impl Snapshot {
    fn requests(&self, families: &mut Families<'_>) -> fmt::Result {
        let proxy = &*self.proxy;
        RequestMetrics::write(
            proxy.metrics.iter().map(|worker| &worker.requests),
            families,
        )?;
        families.counter(
            "unanswered_requests",
            "Requests that no service answered: they got the default action",
            self.sum(|worker| &worker.unanswered),
        )?;
        families.counter(
            "failed_over_requests",
            "Requests that a service answered after another one had failed",
            self.sum(|worker| &worker.failed_over),
        )?;
        families.counter(
            "unrecognized_requests",
            "Requests that are none for a policy server: they got the default action",
            self.sum(|worker| &worker.unrecognized),
        )
    }

    fn clients(&self, families: &mut Families<'_>) -> fmt::Result {
        let closed = [
            ("refused", self.sum(|worker| &worker.clients.refused)),
            ("evicted", self.sum(|worker| &worker.clients.evicted)),
            ("no_place", self.sum(|worker| &worker.clients.turned_away)),
        ];
        let closed = closed.map(|(why, count)| ([("reason", why)], count));
        let help = "Connections of clients that were closed: for what they sent or did not send in time, \
                    for others, or for want of a place";
        families.counters("closed_clients", help, closed)?;
        let waits = self.proxy.memory_waits.iter();
        let waits = waits.map(|waits| waits.begun()).sum();
        let help = "Requests and answers that have waited for memory";
        families.counter("memory_waits", help, waits)
    }

    fn groups(&self, families: &mut Families<'_>) -> fmt::Result {
        let proxy = &*self.proxy;
        let groups = || proxy.settings.groups.iter().zip(&proxy.group_metrics);
        for (name, help, count) in [
            (
                "group_requests",
                "Requests that went to a group of services, and were replied to",
                (|group| &group.requests) as fn(&GroupMetrics) -> &Counter,
            ),
            (
                "group_unanswered_requests",
                "Requests that no service of a group answered: they got the default action",
                |group| &group.unanswered,
            ),
        ] {
            let counts = groups().map(|(group, workers)| {
                let counts = workers.iter().map(|worker| count(worker).get());
                ([("group", group.name.as_str())], counts.sum::<u64>())
            });
            families.counters(name, help, counts)?;
        }
        let up = proxy
            .settings
            .groups
            .iter()
            .enumerate()
            .map(|(index, group)| {
                let states = proxy.states_of(index);
                let up = states.iter().filter(|state| !state.is_down()).count();
                let up = u32::try_from(up).unwrap_or(u32::MAX);
                ([("group", group.name.as_str())], f64::from(up))
            });
        families.gauges(
            "group_services_up",
            "Services of a group that are up",
            None,
            up,
        )?;
        let of_group = proxy.journal.names().enumerate().map(|(index, name)| {
            let labels = [("service", name), ("group", proxy.group_name(index))];
            (labels, 1.0)
        });
        families.gauges(
            "service_group",
            "The group of a service, always 1",
            None,
            of_group,
        )
    }

    fn mirrors(&self, families: &mut Families<'_>) -> fmt::Result {
        let counts = self.proxy.mirrors.iter().flat_map(|mirror| {
            let labels = |outcome| {
                [
                    ("mirror", mirror.options.name.as_str()),
                    ("outcome", outcome),
                ]
            };
            let compared = Compared::ALL
                .map(|compared| (labels(compared.name()), mirror.counts.get(compared)));
            let dropped = (labels("dropped"), mirror.counts.dropped());
            compared.into_iter().chain([dropped])
        });
        let help = "Requests that also went to a mirror, by how its answer differs from the one that was given";
        families.counters("mirrored_requests", help, counts)
    }

    fn services(&self, families: &mut Families<'_>) -> fmt::Result {
        let proxy = &*self.proxy;
        let names = || proxy.journal.names().enumerate();
        let workers = |at: usize| {
            let service = proxy.service_metrics.get(at);
            service.into_iter().flatten().map(|service| &**service)
        };
        let sum =
            |at: usize, count: &dyn Fn(&ServiceMetrics) -> u64| workers(at).map(count).sum::<u64>();

        let answered = names().map(|(at, name)| {
            let count = sum(at, &|service| service.answered.get());
            ([("service", name), ("outcome", "answered")], count)
        });
        let failed = names().flat_map(|(at, name)| {
            Failure::ALL.map(|failure| {
                let count = sum(at, &|service| service.failed(failure));
                ([("service", name), ("outcome", failure.name())], count)
            })
        });
        let help = "Attempts at a service, by what came of them";
        families.counters("attempts", help, answered.chain(failed))?;

        let took = names().map(|(at, name)| {
            let times = workers(at).map(|service| &service.took);
            ([("service", name)], Durations::sum(times))
        });
        let help = "Time of an attempt at a service, whatever came of it";
        families.histograms("attempt_duration", help, Some(&Unit::Seconds), took)?;

        for (name, help, count) in [
            (
                "opened_connections",
                "Connections to a service that were opened",
                (|service| &service.opened) as fn(&ServiceMetrics) -> &Counter,
            ),
            ("downs", "How often a service went down", |service| {
                &service.went_down
            }),
            (
                "failed_checks",
                "Looks at a service that was down, which it did not pass",
                |service| &service.failed_checks,
            ),
        ] {
            let counts = names().map(|(at, name)| {
                let count = sum(at, &|service| count(service).get());
                ([("service", name)], count)
            });
            families.counters(name, help, counts)?;
        }
        self.states(families)
    }

    fn states(&self, families: &mut Families<'_>) -> fmt::Result {
        let now = Instant::now();
        let states = self.proxy.states();
        let states = || self.proxy.journal.names().zip(&states);
        let up = states().map(|(name, state)| {
            let is_up = !state.is_down();
            ([("service", name)], f64::from(u8::from(is_up)))
        });
        let help = "Whether a service is up, 1 or 0";
        families.gauges("service_up", help, None, up)?;
        let down = states().map(|(name, state)| {
            let time = state.down_for(now).unwrap_or_default();
            ([("service", name)], time.as_secs_f64())
        });
        let help = "How long a service has been down; 0 while it is up";
        families.gauges("service_down", help, Some(&Unit::Seconds), down)?;
        let enabled = states().map(|(name, state)| {
            let is_enabled = state.mode == Mode::Enabled;
            ([("service", name)], f64::from(u8::from(is_enabled)))
        });
        let help = "Whether a service may be asked for new messages, 1 or 0 (--mode)";
        families.gauges("service_enabled", help, None, enabled)?;
        let connections = states().map(|(name, state)| {
            let open = u32::try_from(state.connections).unwrap_or(u32::MAX);
            ([("service", name)], f64::from(open))
        });
        let help = "Connections to a service, idle ones among them";
        families.gauges("service_connections", help, None, connections)
    }

    /// The sum of a counter of all workers.
    pub(super) fn sum(&self, counter: impl Fn(&WorkerMetrics) -> &Counter) -> u64 {
        let workers = self.proxy.metrics.iter();
        workers.map(|worker| counter(worker).get()).sum()
    }
}
