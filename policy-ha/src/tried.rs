//! The backends that one request has been offered.

use std::fmt;

use crate::{BackendId, bits::ones};

/// The backends that one request has been offered already: a new one for each request.
///
/// It is a plain set. Dropping it, when a request is cancelled, leaves nothing behind.
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
/// assert_eq!(balancer.left(tried), 1);
/// # Ok::<(), policy_ha::ConfigError>(())
/// ```
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct Tried {
    offered: u64,
    last_resort: bool,
}

impl Tried {
    /// Nothing has been tried yet.
    pub const fn new() -> Self {
        Self {
            offered: 0,
            last_resort: false,
        }
    }

    pub(crate) const fn insert(&mut self, id: BackendId, last_resort: bool) {
        self.offered |= id.bit();
        self.last_resort = last_resort;
    }

    /// Whether this request has been offered that backend.
    pub const fn contains(self, id: BackendId) -> bool {
        self.offered & id.bit() != 0
    }

    /// How many backends this request has been offered.
    pub const fn len(self) -> usize {
        self.offered.count_ones() as usize
    }

    /// Whether this request has not been offered any.
    pub const fn is_empty(self) -> bool {
        self.offered == 0
    }

    /// Whether the latest offer was one that is down and not due: nobody better is left.
    ///
    /// Most likely it will not answer. It is offered all the same, since it may; but a caller may
    /// well wait less long for it. As last resorts come last, all offers that follow are such too,
    /// unless somebody comes back meanwhile.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use policy_ha::{Backend, Balancer, Config, Outcome, Preference, Tried};
    ///
    /// let mut balancer = Balancer::new(Config::default(), [Backend::default(); 2])?;
    /// let [one, other] = [0, 1].map(|index| balancer.ids().nth(index).unwrap());
    /// let now = Instant::now();
    /// balancer.observe(now, one, Outcome::Failure { took: Duration::ZERO });
    ///
    /// let mut tried = Tried::new();
    /// assert_eq!(balancer.pick(now, Preference::None, &mut tried), Some(other));
    /// assert!(!tried.is_last_resort());
    /// assert_eq!(balancer.pick(now, Preference::None, &mut tried), Some(one));
    /// assert!(tried.is_last_resort());
    /// # Ok::<(), policy_ha::ConfigError>(())
    /// ```
    pub const fn is_last_resort(self) -> bool {
        self.last_resort
    }

    pub(crate) const fn bits(self) -> u64 {
        self.offered
    }
}

impl fmt::Debug for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(ones(self.offered)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tried_prints_as_indices() {
        let mut tried = Tried::default();
        assert!(tried.is_empty());
        for index in [40, 2, 2] {
            tried.insert(BackendId::new(index).unwrap(), false);
        }
        assert_eq!(format!("{tried:?}"), "{2, 40}");
        assert_eq!(tried.len(), 2);
        assert!(!tried.is_empty());
    }
}
