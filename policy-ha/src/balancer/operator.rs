//! An operator's settings while the balancer works: the mode and the weight of a backend.

use std::time::Instant;

use super::Balancer;
use crate::{Backend, BackendId, ConfigError, Mode, round_robin::RoundRobin};

impl Balancer {
    /// Whether an operator lets a backend work: from the next [`pick`](Self::pick) on. What is
    /// under way is not touched. An id that this balancer does not have is ignored.
    pub fn set_mode(&mut self, id: BackendId, mode: Mode) {
        if id.index() >= self.len() {
            return;
        }
        self.enabled &= !id.bit();
        self.draining &= !id.bit();
        match mode {
            Mode::Enabled => self.enabled |= id.bit(),
            Mode::Drain => self.draining |= id.bit(),
            Mode::Disabled => {}
        }
    }

    /// The last word of an operator about a backend; [`Enabled`](Mode::Enabled) at first. One that
    /// this balancer does not have is [`Disabled`](Mode::Disabled): it is never offered.
    pub const fn mode(&self, id: BackendId) -> Mode {
        if self.enabled & id.bit() != 0 {
            Mode::Enabled
        } else if self.draining & id.bit() != 0 {
            Mode::Drain
        } else {
            Mode::Disabled
        }
    }

    /// Gives a backend another [weight](Backend::weight): from the next [`pick`](Self::pick) on. The round robin starts
    /// where the [seed](crate::Config::seed) says. An id that this balancer does not have is ignored.
    ///
    /// # Errors
    ///
    /// A weight out of range. Nothing changes then.
    ///
    /// ```
    /// use policy_ha::{Backend, Balancer, Config};
    ///
    /// let mut balancer = Balancer::new(Config::default(), [Backend::default(); 2])?;
    /// let one = balancer.ids().next().unwrap();
    /// balancer.set_weight(one, 10)?;
    /// assert_eq!(balancer.weight(one), 10);
    /// assert!(balancer.set_weight(one, 0).is_err());
    /// # Ok::<(), policy_ha::ConfigError>(())
    /// ```
    pub fn set_weight(&mut self, id: BackendId, weight: u16) -> Result<(), ConfigError> {
        let index = id.index();
        if !(1..=Backend::MAX_WEIGHT).contains(&weight) {
            return Err(ConfigError::Weight { index, weight });
        }
        if let Some(old) = self.weights.get_mut(index) {
            *old = weight;
            self.order = RoundRobin::new(&self.weights, &self.tiers, self.config.seed);
            self.rendezvous.set_weights(&self.weights);
        }
        Ok(())
    }

    /// Has a backend that is down be tried from then on, and not when its backoff is over: an operator has repaired it.
    /// Nothing changes for one that is up, or that this balancer does not have.
    ///
    /// ```
    /// use policy_ha::{Backend, Balancer, Config, Outcome, Preference, Tried};
    /// use std::time::{Duration, Instant};
    ///
    /// let mut balancer = Balancer::new(Config::default(), [Backend::default(); 2])?;
    /// let repaired = balancer.ids().next().unwrap();
    /// let now = Instant::now();
    /// balancer.observe(now, repaired, Outcome::Failure { took: Duration::ZERO });
    /// balancer.set_due(repaired, now);
    /// let mut first = || balancer.pick(now, Preference::None, &mut Tried::new());
    /// assert!([first(), first()].contains(&Some(repaired)));
    /// # Ok::<(), policy_ha::ConfigError>(())
    /// ```
    pub fn set_due(&mut self, id: BackendId, due: Instant) {
        if let Some(health) = self.health.get_mut(id.index()) {
            health.set_due(due);
        }
    }

    /// The [weight](Backend::weight) of a backend; 0 for one that this balancer does not have.
    pub fn weight(&self, id: BackendId) -> u16 {
        self.weights.get(id.index()).copied().unwrap_or(0)
    }
}
