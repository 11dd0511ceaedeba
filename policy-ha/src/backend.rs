use std::fmt;

use crate::bits::ones;

/// What the balancer knows about one server: how early and how often to ask it. Where the server
/// is, and how it is spoken to, stays with the caller.
///
/// ```
/// use policy_ha::Backend;
///
/// let main = Backend::default();
/// assert_eq!(main, Backend { priority: 10, weight: 1 });
///
/// // Asked only when no backend of a lower number is left.
/// let reserve = Backend::new(20, 1);
/// assert!(reserve.priority > main.priority);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
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
}

impl Backend {
    /// The largest weight. It is enough for shares in tenths of a percent, and small enough for
    /// the round robin to count in 32 bits.
    pub const MAX_WEIGHT: u16 = 1000;

    /// Names both numbers at once.
    pub const fn new(priority: u16, weight: u16) -> Self {
        Self { priority, weight }
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
    /// `None` beyond the last bit of a set.
    pub(crate) const fn new(index: usize) -> Option<Self> {
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

/// The backends that one request has been offered already: a new one for each request.
///
/// It is a plain set of 64 bits. Dropping it, when a request is cancelled, leaves nothing behind.
///
/// ```
/// use std::time::Instant;
///
/// use policy_ha::{Backend, Balancer, Config, Preference, Tried};
///
/// let mut balancer = Balancer::new(Config::default(), [Backend::default(); 2])?;
/// let mut tried = Tried::new();
/// let id = balancer.pick(Instant::now(), Preference::None, &mut tried).unwrap();
/// assert!(tried.contains(id));
/// assert_eq!(tried.len(), 1);
/// assert_eq!(balancer.len() - tried.len(), 1); // backends that are left for this request
/// # Ok::<(), policy_ha::ConfigError>(())
/// ```
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct Tried(u64);

impl Tried {
    /// Nothing has been tried yet.
    pub const fn new() -> Self {
        Self(0)
    }

    pub(crate) const fn insert(&mut self, id: BackendId) {
        self.0 |= id.bit();
    }

    /// Whether this request has been offered that backend.
    pub const fn contains(self, id: BackendId) -> bool {
        self.0 & id.bit() != 0
    }

    /// How many backends this request has been offered.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether this request has not been offered any.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(ones(self.0)).finish()
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

    #[test]
    fn what_was_tried_prints_as_indices() {
        let mut tried = Tried::default();
        assert!(tried.is_empty());
        for index in [40, 2, 2] {
            tried.insert(BackendId::new(index).unwrap());
        }
        assert_eq!(format!("{tried:?}"), "{2, 40}");
        assert_eq!(tried.len(), 2);
        assert!(!tried.is_empty());
    }
}
