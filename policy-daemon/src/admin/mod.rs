//! The admin listener: what a daemon shows of itself over HTTP, beside its requests. Nothing can be changed over it.
//!
//! | path | shows |
//! | --- | --- |
//! | `/metrics` | the metrics, in Prometheus' text format, or in OpenMetrics where the client asks for it |
//! | `/healthz` | 200 as long as the process serves |
//! | `/readyz` | 200 while it takes new work; 503 with the reason while it stops, or where the service cannot work |
//!
//! A thread of its own serves it, so that no request waits for a page. A client that is slow, or sends something else
//! than HTTP, costs nobody but itself: it has eleven seconds, and eight clients at once are served.

mod connection;
mod daemon_metrics;
mod format;
mod http;
mod pages;
mod start;

use std::fmt;

pub use prometheus_client::registry::Registry;

pub(crate) use start::{AdminHandle, AdminStart};

/// What a service shows at the admin listener. Its methods run on the thread of that listener.
pub trait Admin: fmt::Debug + Send + Sync + 'static {
    /// Registers the metrics of the service, once. Their names get the name of the daemon as a prefix. Values are read
    /// when a client asks for them, so that counting costs no more than an atomic number.
    fn register(&self, registry: &mut Registry);

    /// Why the service cannot do its work, if it cannot: `/readyz` says so.
    fn not_ready(&self) -> Option<String> {
        None
    }
}
