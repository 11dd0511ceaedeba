//! The choice of the next backend.

use std::time::Instant;

use super::Balancer;
use crate::{
    BackendId, Preference, Tried, bits::ones, hash::hash, least_loaded::least_loaded,
    round_robin::RoundRobin,
};

impl Balancer {
    /// The backend to be asked next for a request, which has `tried` others before: noted there too.
    /// `None` when the request has been offered every backend that is [enabled](crate::Mode).
    ///
    /// The order is: the backend that the request [sticks to](Preference::Stick); those that are up
    /// or due for a trial, by priority and, within one, by [key](Preference::Hash) or else by turn,
    /// or drawn by weight if it is not the request's first; those that are down and not due, the
    /// soonest due first. A request that has been offered one already gets no trial while another
    /// backend is up.
    ///
    /// Being handed out is what uses up a trial or a turn. The request need not be sent, and no
    /// outcome need follow: if the caller is cancelled, or decides otherwise, nothing is left
    /// waiting for it.
    ///
    /// Takes time in proportion to the number of backends of one priority, and of those that are
    /// down; allocates nothing.
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// use policy_ha::{Backend, Balancer, Config, Preference, Tried};
    ///
    /// let mut balancer = Balancer::new(Config::default(), [Backend::default(); 2])?;
    /// let now = Instant::now();
    /// let first = balancer.pick(now, Preference::None, &mut Tried::new()).unwrap();
    /// let other = balancer.pick(now, Preference::None, &mut Tried::new()).unwrap();
    /// assert_ne!(first, other); // they take turns
    ///
    /// let mut tried = Tried::new();
    /// assert_eq!(balancer.pick(now, Preference::Stick(other), &mut tried), Some(other));
    /// assert_eq!(balancer.pick(now, Preference::Stick(other), &mut tried), Some(first));
    /// assert_eq!(balancer.pick(now, Preference::Stick(other), &mut tried), None);
    /// # Ok::<(), policy_ha::ConfigError>(())
    /// ```
    #[must_use = "a backend that was handed out has had its turn"]
    pub fn pick(
        &mut self,
        now: Instant,
        preference: Preference,
        tried: &mut Tried,
    ) -> Option<BackendId> {
        self.next(now, preference, tried, |_, up| up)
    }

    /// As [`pick`](Self::pick), but within a priority the least loaded is asked instead of the one
    /// whose turn it is. A request that has a [key](Preference::Hash) goes by its key all the same.
    ///
    /// `load` says how many requests of ours each backend has under way: it is asked for those that
    /// are up and of the priority in question, once each. The balancer does not count by itself, so
    /// that no request that was dropped can leave a count wrong.
    ///
    /// The request goes where `(load + 1) / weight` is the lowest, or to anybody whose
    /// `load / weight` is below that: these take turns. So equal weights mean the
    /// lowest load, and backends at rest share by weight. One that is due for its trial has no load
    /// worth comparing: a low one would draw the first request, and one of hung requests none at
    /// all. It takes its turn among the least loaded.
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// use policy_ha::{Backend, Balancer, Config, Preference, Tried};
    ///
    /// let mut balancer = Balancer::new(Config::default(), [Backend::default(); 3])?;
    /// let loads = [4, 2, 3];
    /// let mut tried = Tried::new();
    /// let mut order = Vec::new();
    /// while let Some(id) = balancer.pick_least_loaded(
    ///     Instant::now(),
    ///     Preference::None,
    ///     &mut tried,
    ///     |id| loads[id.index()],
    /// ) {
    ///     order.push(id.index());
    /// }
    /// assert_eq!(order, [1, 2, 0]);
    /// # Ok::<(), policy_ha::ConfigError>(())
    /// ```
    #[must_use = "a backend that was handed out has had its turn"]
    pub fn pick_least_loaded(
        &mut self,
        now: Instant,
        preference: Preference,
        tried: &mut Tried,
        load: impl FnMut(BackendId) -> u32,
    ) -> Option<BackendId> {
        self.next(now, preference, tried, |order, up| {
            least_loaded(up, |index| order.weight(index), load)
        })
    }

    /// How many backends are left for this request: enabled, and not offered to it yet.
    pub const fn left(&self, tried: Tried) -> usize {
        (self.enabled & !tried.bits()).count_ones() as usize
    }

    /// How many of these are up: who waits for the one that was picked might be answered by them.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use policy_ha::{Backend, Balancer, Config, Outcome, Preference, Tried};
    ///
    /// let mut balancer = Balancer::new(Config::default(), [Backend::default(); 3])?;
    /// let now = Instant::now();
    /// let last = balancer.ids().last().unwrap();
    /// balancer.observe(now, last, Outcome::Failure { took: Duration::ZERO });
    ///
    /// let mut tried = Tried::new();
    /// balancer.pick(now, Preference::None, &mut tried);
    /// assert_eq!((balancer.left(tried), balancer.left_up(tried)), (2, 1));
    /// # Ok::<(), policy_ha::ConfigError>(())
    /// ```
    pub const fn left_up(&self, tried: Tried) -> usize {
        (self.up & self.enabled & !tried.bits()).count_ones() as usize
    }

    /// `best` narrows those that are up and of one priority down to the ones that share by turn.
    fn next(
        &mut self,
        now: Instant,
        preference: Preference,
        tried: &mut Tried,
        best: impl FnOnce(&RoundRobin, u64) -> u64,
    ) -> Option<BackendId> {
        let (stick, key) = preference.parts();
        if let Some(id) = stick
            && self.up & (self.enabled | self.draining) & !tried.bits() & id.bit() != 0
        {
            tried.insert(id, false);
            return Some(id);
        }
        let open = self.enabled & !tried.bits();
        let usable = self.usable(now, open, tried.is_empty());
        let index = if usable == 0 {
            self.soonest_due(open)
        } else if let Some(key) = key {
            self.rendezvous.winner(key, usable)
        } else {
            let candidates = best(&self.order, usable & self.up) | usable & !self.up;
            if tried.is_empty() {
                self.order.next(candidates)
            } else {
                let draw = hash(!self.config.seed, self.failovers);
                self.failovers = self.failovers.wrapping_add(1);
                self.rendezvous.winner(draw, candidates)
            }
        }?;
        self.health[index].handed_out(now, &self.config);
        let id = BackendId::new(index)?;
        tried.insert(id, usable == 0);
        Some(id)
    }

    /// Those up or due, of the first priority that has any.
    fn usable(&self, now: Instant, open: u64, is_first: bool) -> u64 {
        let up = open & self.up;
        // A request that has waited for one in vain pays for no trial while somebody is up.
        let trials = if is_first || up == 0 {
            open & !self.up
        } else {
            0
        };
        let due = ones(trials)
            .filter(|&index| self.health[index].due().is_none_or(|due| due <= now))
            .fold(0, |set, index| set | 1 << index);
        let mut tiers = self.tiers.iter().map(|tier| tier & (up | due));
        tiers.find(|&set| set != 0).unwrap_or(0)
    }

    fn soonest_due(&self, open: u64) -> Option<usize> {
        // The first of equals is found, and tiers come by priority, members by index.
        let members = self.tiers.iter().flat_map(|tier| ones(tier & open));
        members.min_by_key(|&index| self.health[index].due())
    }
}
