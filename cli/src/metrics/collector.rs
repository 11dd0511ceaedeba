//! The metrics of the proxy, as they are written.

use std::{fmt, sync::Arc, time::Instant};

use policy_daemon::admin::{Admin, Registry};
use policy_ha::Mode;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet},
    metrics::{MetricType, info::Info},
    registry::Unit,
};

use crate::{
    metrics::{
        class::Class,
        counter::{Counter, Histogram},
        failure::Failure,
        service::ServiceMetrics,
        worker::WorkerMetrics,
    },
    proxy::{CurrentProxy, Proxy},
    report::nobody_to_ask,
};

/// The metrics of the proxy, as it is when somebody asks.
#[derive(Clone, Debug)]
pub(crate) struct ProxyMetrics {
    pub(crate) current: CurrentProxy,
}

/// The metrics of the proxy of some settings.
struct Snapshot {
    proxy: Arc<Proxy>,
}

impl Admin for ProxyMetrics {
    fn register(&self, registry: &mut Registry) {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of the program", build);
        registry.register_collector(Box::new(self.clone()));
    }

    fn not_ready(&self) -> Option<String> {
        let states = self.current.get().states();
        if let Some(text) = nobody_to_ask(states.iter().map(|state| state.mode)) {
            return Some(text.to_owned());
        }
        let is_down = states.iter().all(|state| state.is_down());
        is_down.then(|| "every service is down".to_owned())
    }
}

impl Collector for ProxyMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut writer = Writer { encoder };
        let proxy = self.current.get();
        let snapshot = Snapshot { proxy };
        snapshot.requests(&mut writer)?;
        snapshot.clients(&mut writer)?;
        snapshot.services(&mut writer)
    }
}

impl Snapshot {
    fn requests(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let proxy = &*self.proxy;
        let replies = Class::ALL.map(|class| {
            let replies = proxy.metrics.iter().map(|worker| worker.replies(class));
            ([("action", class.name())], replies.sum())
        });
        let help = "Requests that were replied to, by the class of the action";
        writer.counters("requests", help, replies)?;
        let took = proxy.metrics.iter().map(|worker| &worker.took);
        let help = "Time from a whole request to its reply";
        writer.histograms(
            "request_duration",
            help,
            [([("", ""); 0], Histogram::of(took))],
        )?;
        writer.counter(
            "unanswered_requests",
            "Requests that no service answered: they got the default action",
            self.sum(|worker| &worker.unanswered),
        )?;
        writer.counter(
            "failed_over_requests",
            "Requests that a service answered after another one had failed",
            self.sum(|worker| &worker.failed_over),
        )?;
        writer.counter(
            "unrecognized_requests",
            "Requests that are none for a policy server: they got the default action",
            self.sum(|worker| &worker.unrecognized),
        )
    }

    fn clients(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let closed = [
            ("refused", self.sum(|worker| &worker.clients.refused)),
            ("evicted", self.sum(|worker| &worker.clients.evicted)),
            ("no_place", self.sum(|worker| &worker.clients.turned_away)),
        ];
        let closed = closed.map(|(why, count)| ([("reason", why)], count));
        let help = "Connections of clients that were closed: for what they sent or did not send in time, \
                    for others, or for want of a place";
        writer.counters("closed_clients", help, closed)?;
        let waits = self.proxy.memory_waits.iter();
        let waits = waits.map(|waits| waits.begun()).sum();
        let help = "Requests and answers that have waited for memory";
        writer.counter("memory_waits", help, waits)
    }

    fn services(&self, writer: &mut Writer<'_>) -> fmt::Result {
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
        writer.counters("attempts", help, answered.chain(failed))?;

        let took = names().map(|(at, name)| {
            let times = workers(at).map(|service| &service.took);
            ([("service", name)], Histogram::of(times))
        });
        let help = "Time of an attempt at a service, whatever came of it";
        writer.histograms("attempt_duration", help, took)?;

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
            writer.counters(name, help, counts)?;
        }
        self.states(writer)
    }

    fn states(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let now = Instant::now();
        let states = self.proxy.states();
        let states = || self.proxy.journal.names().zip(&states);
        let up = states().map(|(name, state)| {
            let is_up = !state.is_down();
            ([("service", name)], f64::from(u8::from(is_up)))
        });
        let help = "Whether a service is up, 1 or 0";
        writer.gauges("service_up", help, None, up)?;
        let down = states().map(|(name, state)| {
            let time = state.down_for(now).unwrap_or_default();
            ([("service", name)], time.as_secs_f64())
        });
        let help = "How long a service has been down; 0 while it is up";
        writer.gauges("service_down", help, Some(&Unit::Seconds), down)?;
        let enabled = states().map(|(name, state)| {
            let is_enabled = state.mode == Mode::Enabled;
            ([("service", name)], f64::from(u8::from(is_enabled)))
        });
        let help = "Whether a service may be asked for new messages, 1 or 0 (--mode)";
        writer.gauges("service_enabled", help, None, enabled)?;
        let connections = states().map(|(name, state)| {
            let open = u32::try_from(state.connections).unwrap_or(u32::MAX);
            ([("service", name)], f64::from(open))
        });
        let help = "Connections to a service, idle ones among them";
        writer.gauges("service_connections", help, None, connections)
    }

    /// The sum of a counter of all workers.
    fn sum(&self, counter: impl Fn(&WorkerMetrics) -> &Counter) -> u64 {
        let workers = self.proxy.metrics.iter();
        workers.map(|worker| counter(worker).get()).sum()
    }
}

/// Families of metrics, each with its labels.
struct Writer<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Writer<'_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.encoder
            .encode_descriptor(name, &sentence(help), None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut metric =
            self.encoder
                .encode_descriptor(name, &sentence(help), None, MetricType::Counter)?;
        for (labels, value) in values {
            metric
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        values: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let mut metric =
            self.encoder
                .encode_descriptor(name, &sentence(help), unit, MetricType::Gauge)?;
        for (labels, value) in values {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn histograms<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, Histogram)>,
    ) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(
            name,
            &sentence(help),
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for (labels, times) in values {
            metric
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(times.seconds, times.count, &times.buckets, None)?;
        }
        Ok(())
    }
}

/// A help text as the registry writes its own.
fn sentence(help: &str) -> String {
    format!("{help}.")
}
