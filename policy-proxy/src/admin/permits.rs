//! Permits: the right to a connection to a service. How many there may be, and how often requests have waited for one; how
//! many are taken is the number of connections.

use std::fmt;

use policy_daemon::metrics::Families;

use super::Snapshot;

impl Snapshot {
    pub(super) fn permits(&self, families: &mut Families<'_>) -> fmt::Result {
        let proxy = &*self.proxy;
        let most_of = |index: usize| {
            let (group, _) = proxy.group_of(index)?;
            let group = proxy.settings.groups.get(group)?;
            u32::try_from(group.upstream.max_connections).ok()
        };
        let names = proxy.journal.names().enumerate();
        let most = names.map(|(index, name)| {
            let most = most_of(index).unwrap_or(u32::MAX);
            ([("service", name)], f64::from(most))
        });
        let help = "Connections that a service may have";
        families.gauges("service_max_connections", help, None, most)?;
        let states = proxy.states();
        let waits = proxy.journal.names().zip(&states);
        let waits = waits.map(|(name, state)| ([("service", name)], state.counts.waited));
        let help = "Requests that have waited for a connection to a service";
        families.counters("service_connection_waits", help, waits)
    }
}
