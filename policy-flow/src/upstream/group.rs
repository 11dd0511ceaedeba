//! A group of backends: a list with options of its own, to which some of the requests go.

use super::{BackendConfig, Shared, UpstreamOptions};
use crate::Slot;

/// A group of backends: a list with options of its own, to which some of the requests go.
///
/// Groups of one upstream have health, permits and connections apart. They are made with what the workers share:
/// [`Shared::new`] for the first group, and [`Shared::beside`] for the others.
///
/// ```
/// use policy_flow::{BackendConfig, BackendGroup, Shared, Upstream, UpstreamOptions};
/// use std::time::Instant;
///
/// let options = UpstreamOptions::default();
/// let backend = BackendConfig::default();
/// let first = Shared::new(options.balancer, [backend.backend], 1)?;
/// let second = first.beside(options.balancer, [backend.backend, backend.backend])?;
/// let first = BackendGroup::new(options.clone(), &first, [(backend.clone(), None)]);
/// let second = BackendGroup::new(options, &second, [(backend.clone(), None), (backend, None)]);
/// let upstream = Upstream::with_groups(Instant::now(), first, vec![second], 0);
/// assert_eq!(upstream.group_slots(0).len(), 1);
/// assert_eq!(upstream.group_slots(1).len(), 2);
/// # Ok::<(), policy_ha::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackendGroup {
    /// Deadlines and limits of its requests and backends.
    pub options: UpstreamOptions,
    /// What the workers share about its backends.
    pub shared: Shared,
    /// Its backends, in the order of `shared`. Each comes with its number if it is there already, as in
    /// [`Upstream::exchange`](crate::Upstream::exchange).
    pub backends: Vec<(BackendConfig, Option<Slot>)>,
}

impl BackendGroup {
    /// A group of these backends.
    #[must_use]
    pub fn new(
        options: UpstreamOptions,
        shared: &Shared,
        backends: impl IntoIterator<Item = (BackendConfig, Option<Slot>)>,
    ) -> Self {
        Self {
            options,
            shared: shared.clone(),
            backends: backends.into_iter().collect(),
        }
    }
}
