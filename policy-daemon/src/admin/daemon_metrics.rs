//! The metrics that every daemon has: its clients, its start, and its log.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use crate::worker::Shared;

/// The metrics that every daemon has.
pub(crate) struct DaemonMetrics<M> {
    shared: Arc<Shared<M>>,
    start: SystemTime,
}

impl<M> DaemonMetrics<M> {
    /// Those of a daemon that starts now.
    pub(crate) fn new(shared: Arc<Shared<M>>) -> Self {
        Self {
            shared,
            start: SystemTime::now(),
        }
    }
}

impl<M: Send + 'static> Collector for DaemonMetrics<M> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let shared = &self.shared;
        let mut gauge = |name, help, value: usize| {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            encoder
                .encode_descriptor(name, help, None, MetricType::Gauge)?
                .encode_gauge(&value)
        };
        let clients = shared.workers.connections();
        gauge("clients", "Connections of clients that are open.", clients)?;
        let most = shared.max_clients.number();
        gauge(
            "max_clients",
            "Connections of clients that may be open.",
            most,
        )?;
        gauge(
            "workers",
            "Threads that serve clients.",
            shared.workers.len(),
        )?;

        let help = "Log lines that could not be written.";
        encoder
            .encode_descriptor("log_lines_lost", help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&shared.log.log().lost(), None)?;
        let start = self.start.duration_since(UNIX_EPOCH).unwrap_or_default();
        let help = "The start of the process, in seconds since 1970.";
        encoder
            .encode_descriptor("start_time", help, Some(&Unit::Seconds), MetricType::Gauge)?
            .encode_gauge(&start.as_secs_f64())
    }
}

impl<M> fmt::Debug for DaemonMetrics<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DaemonMetrics")
            .finish_non_exhaustive()
    }
}
