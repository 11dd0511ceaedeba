//! The metrics that every daemon has: its clients, its start, and its log.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use crate::{
    metrics::{Families, Unit},
    worker::Shared,
};

/// The metrics that every daemon has. Clones are of the same daemon.
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

/// What the page shows of any daemon.
pub(crate) trait DaemonState: fmt::Debug + Send + Sync {
    fn start(&self) -> SystemTime;
    fn clients(&self) -> usize;
    fn max_clients(&self) -> usize;
    fn log_lines_lost(&self) -> u64;
    /// Whether the requests in progress are its last ones.
    fn is_stopping(&self) -> bool;
}

impl<M: Send + 'static> DaemonState for DaemonMetrics<M> {
    fn start(&self) -> SystemTime {
        self.start
    }

    fn clients(&self) -> usize {
        self.shared.workers.connections()
    }

    fn max_clients(&self) -> usize {
        self.shared.max_clients.number()
    }

    fn log_lines_lost(&self) -> u64 {
        self.shared.log.log().lost()
    }

    fn is_stopping(&self) -> bool {
        self.shared.is_stopping()
    }
}

impl<M: Send + 'static> Collector for DaemonMetrics<M> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        let help = "Connections of clients that are open";
        families.gauge("clients", help, self.clients())?;
        let help = "Connections of clients that may be open";
        families.gauge("max_clients", help, self.max_clients())?;
        let help = "Threads that serve clients";
        families.gauge("workers", help, self.shared.workers.len())?;
        let help = "Log lines that could not be written";
        families.counter("log_lines_lost", help, self.log_lines_lost())?;
        let help = "Log lines about requests that a sample has left out";
        let left_out = self.shared.log.log().left_out();
        families.counter("log_lines_left_out", help, left_out)?;
        let start = self.start.duration_since(UNIX_EPOCH).unwrap_or_default();
        let start = [([("", ""); 0], start.as_secs_f64())];
        let help = "The start of the process, in seconds since 1970";
        families.gauges("start_time", help, Some(&Unit::Seconds), start)
    }
}

impl<M> Clone for DaemonMetrics<M> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            start: self.start,
        }
    }
}

impl<M> fmt::Debug for DaemonMetrics<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DaemonMetrics")
            .finish_non_exhaustive()
    }
}
