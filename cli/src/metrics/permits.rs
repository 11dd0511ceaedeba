//! Permits: the right to a connection to a service. How many there may be, and how often requests have waited for one; how
//! many are taken is the number of connections.

use std::fmt;

use policy_daemon::metrics::Families;

use super::collector::Snapshot;

impl Snapshot {
    pub(super) fn permits(&self, families: &mut Families<'_>) -> fmt::Result {
        let proxy = &*self.proxy;
        let most = u32::try_from(proxy.settings.upstream.max_connections).unwrap_or(u32::MAX);
        let names = proxy.journal.names();
        let most = names.map(|name| ([("service", name)], f64::from(most)));
        let help = "Connections that a service may have";
        families.gauges("service_max_connections", help, None, most)?;
        let states = proxy.states();
        let waits = proxy.journal.names().zip(&states);
        let waits = waits.map(|(name, state)| ([("service", name)], state.counts.waited));
        let help = "Requests that have waited for a connection to a service";
        families.counters("service_connection_waits", help, waits)
    }
}
