//! The admin listener: what a daemon shows of itself over HTTP, beside its requests. Nothing can be changed over it.
//!
//! | path | shows |
//! | --- | --- |
//! | `/` | the state, as a page for a browser: without a script, and without anything from elsewhere |
//! | `/metrics` | the metrics, in Prometheus' text format, or in OpenMetrics where the client asks for it |
//! | `/healthz` | 200 as long as the process serves |
//! | `/readyz` | 200 while it takes new work; 503 with the reason while it stops, or where the service cannot work |
//!
//! A thread of its own serves it, so that no request waits for a page. A client that is slow, or sends something else
//! than HTTP, costs nobody but itself: it has eleven seconds, and eight clients at once are served. One more takes the place
//! of the one that is waited for longest.
//!
//! Over TCP it is asked by an address, as `localhost`, by the name of the machine, or by one that the listener is given by:
//! a foreign page that has a browser ask by another name (DNS rebinding) is answered with 421.

mod connection;
mod daemon_metrics;
mod format;
mod host;
mod http;
mod pages;
mod start;
mod status;

use std::{fmt, sync::Arc, time::SystemTime};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use crate::metrics::Families;

pub use prometheus_client::registry::Registry;

pub use crate::metrics::{
    sample::Sample,
    section::{Cell, Section},
};
pub use status::Changes;

pub(crate) use start::prepare;

/// What a service shows at the admin listener. Its methods run on the threads of that listener.
///
/// ```
/// use std::{fmt, sync::Arc};
/// use policy_daemon::{admin::Admin, metrics::{Counter, Families}};
///
/// #[derive(Debug, Default)]
/// struct Greylist { delayed: Counter }
///
/// impl Admin for Greylist {
///     fn families(&self, families: &mut Families<'_>) -> fmt::Result {
///         families.counter("delayed", "Mails that are to come again", self.delayed.get())
///     }
/// }
/// ```
pub trait Admin: fmt::Debug + Send + Sync + 'static {
    /// Writes the metrics of the service. Values are read when a client asks for them, so that counting costs no more than
    /// an atomic number. None by default.
    ///
    /// # Errors
    ///
    /// The page cannot be written.
    fn families(&self, families: &mut Families<'_>) -> fmt::Result {
        _ = families;
        Ok(())
    }

    /// Registers metrics of the service, once, in the words of `prometheus-client`: for those that are there already.
    fn register(&self, registry: &mut Registry) {
        _ = registry;
    }

    /// The word before the names of all metrics. By default it is the name of the daemon, which an administrator may change
    /// in some.
    fn prefix(&self) -> Option<&str> {
        None
    }

    /// The version of the program, which `build_info` has.
    fn version(&self) -> Option<&str> {
        None
    }

    /// Why the service cannot do its work, if it cannot: `/readyz` says so.
    fn not_ready(&self) -> Option<String> {
        None
    }

    /// What the service has done since its start: the page has plots of the last quarter of an hour. Called every ten
    /// seconds.
    fn sample(&self) -> Sample {
        Sample::default()
    }

    /// The tables of the page.
    fn sections(&self) -> Vec<Section> {
        Vec::new()
    }

    /// The last changes, the newest first, for the page; see [`Changes`].
    fn changes(&self) -> Vec<(SystemTime, String)> {
        Vec::new()
    }
}

/// The families of a service, for the registry.
#[derive(Debug)]
struct ServiceMetrics(Arc<dyn Admin>);

impl Collector for ServiceMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.families(&mut Families::new(encoder))
    }
}
