//! A backend, as the balancer is told of it, and its place in the list.

/// The balancer's knowledge of one server: how early and how often to ask it. Where the server
/// is, and how it is spoken to, stays with the caller. The struct may grow: start from [`new`](Self::new).
///
/// ```
/// use policy_ha::Backend;
///
/// let main = Backend::default();
/// assert_eq!(main, Backend::new(10, 1));
/// assert_eq!(main.key, None);
///
/// // Asked only when no backend of a lower number is left.
/// let reserve = Backend::new(20, 1);
/// assert!(reserve.priority > main.priority);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Backend {
    /// Lower numbers are asked first, any number is allowed. Default: 10, which leaves room on
    /// both sides.
    pub priority: u16,
    /// The share of requests among backends of the same priority, 1 to [`MAX_WEIGHT`]. Only the
    /// ratio counts. Default: 1.
    ///
    /// A weight outside these limits is refused by [`Balancer::new`](crate::Balancer::new).
    ///
    /// [`MAX_WEIGHT`]: Self::MAX_WEIGHT
    pub weight: u16,
    /// The identity for [`Preference::Hash`](crate::Preference::Hash), for instance the
    /// [`key`](crate::key()) of its name. No two backends of a balancer may have the same.
    ///
    /// Default: `None`, its place in the list. That is good for as long as the list stays as it is;
    /// when a backend leaves, or the order changes, places are renamed, and nearly every request
    /// would change its server.
    pub key: Option<u64>,
}

impl Backend {
    /// The largest weight. It is enough for shares in tenths of a percent, and small enough for
    /// the round robin to count in 32 bits.
    pub const MAX_WEIGHT: u16 = 1000;

    /// Names both numbers at once.
    pub const fn new(priority: u16, weight: u16) -> Self {
        Self {
            priority,
            weight,
            key: None,
        }
    }

    /// Sets [`key`](Self::key).
    ///
    /// ```
    /// use policy_ha::Backend;
    ///
    /// let backend = Backend::new(10, 1).with_key(policy_ha::key(["greylist1"]));
    /// assert_eq!(backend.key, Some(policy_ha::key(["greylist1"])));
    /// ```
    #[must_use]
    pub const fn with_key(mut self, key: u64) -> Self {
        self.key = Some(key);
        self
    }
}

impl Default for Backend {
    fn default() -> Self {
        Self::new(10, 1)
    }
}

/// A backend's place in the list that the balancer was built from.
///
/// Only a [`Balancer`](crate::Balancer) makes these. One that belongs to another balancer is
/// harmless: it either names the backend at the same place, or is ignored.
///
/// ```
/// use policy_ha::{Backend, Balancer, Config};
///
/// let balancer = Balancer::new(Config::default(), [Backend::default(); 3])?;
/// let names = ["mx1", "mx2", "mx3"];
/// let listed: Vec<_> = balancer.ids().map(|id| names[id.index()]).collect();
/// assert_eq!(listed, names);
/// # Ok::<(), policy_ha::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BackendId(u8);

impl BackendId {
    /// The backend with this index; `None` from 64 on, where no backend is.
    ///
    /// ```
    /// use policy_ha::BackendId;
    ///
    /// assert_eq!(BackendId::new(63).map(BackendId::index), Some(63));
    /// assert_eq!(BackendId::new(64), None);
    /// ```
    pub const fn new(index: usize) -> Option<Self> {
        if index < u64::BITS as usize {
            Some(Self(index as u8))
        } else {
            None
        }
    }

    /// Counted from 0, in the order in which the backends were given.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn bit(self) -> u64 {
        1 << self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_fits_a_bit_of_a_set() {
        let ids: Vec<_> = (0..=64).map(BackendId::new).collect();
        assert_eq!(ids[64], None);
        let bits = ids.iter().flatten().fold(0, |set, id| set ^ id.bit());
        assert_eq!(bits, u64::MAX);
    }
}
