//! The balancer: names who is asked next, and is told how that went.

mod operator;
mod pick;

use std::time::Instant;

use crate::{
    Backend, BackendId, Config, ConfigError, Outcome, Status, Transition, bits, hash::hash,
    health::Health, rendezvous::Rendezvous, round_robin::RoundRobin,
};

/// Decides who is asked next, and remembers who does not answer.
///
/// For each request, take a new [`Tried`](crate::Tried), then [`pick`](Self::pick) and ask, and
/// tell the [outcome](Self::observe), until somebody answers or nobody is left. Any number of
/// requests may be under way at a time. The [crate's documentation](crate) has the loop in full,
/// and the rules.
///
/// The times that are passed in should not run backwards. If they do, as they may by a little when
/// several threads read the clock before they take a lock, then nothing worse happens than a
/// trial at another moment.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use policy_ha::{Backend, Balancer, Config, Outcome, Preference, Status, Tried};
///
/// let backends = [Backend::new(10, 1), Backend::new(20, 1)];
/// let mut balancer = Balancer::new(Config::default(), backends)?;
/// let start = Instant::now();
///
/// let mut tried = Tried::new();
/// let main = balancer.pick(start, Preference::None, &mut tried).unwrap();
/// assert_eq!(main.index(), 0);
/// let took = Duration::from_secs(10);
/// balancer.observe(start + took, main, Outcome::Failure { took });
/// assert!(matches!(balancer.status(main), Status::Down { .. }));
///
/// let reserve = balancer.pick(start + took, Preference::None, &mut tried).unwrap();
/// assert_eq!(reserve.index(), 1);
/// # Ok::<(), policy_ha::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Balancer {
    config: Config,
    /// Sets of backends of the same priority, in the order of priorities.
    tiers: Box<[u64]>,
    weights: Box<[u16]>,
    order: RoundRobin,
    rendezvous: Rendezvous,
    /// How many later choices were drawn.
    failovers: u64,
    health: Box<[Health]>,
    /// Those that are up according to `health`: it saves looking at each.
    up: u64,
    /// Two sets that do not meet; who is in neither is disabled.
    enabled: u64,
    draining: u64,
}

impl Balancer {
    /// The most backends that a balancer takes: as many as a `u64` has bits.
    pub const MAX_BACKENDS: usize = bits::MAX_BACKENDS;

    /// All backends start up, and are known by their place in the list.
    ///
    /// Memory is allocated here, and for [new weights](Self::set_weight). A [seed](Config::seed) costs a part of a full turn
    /// of the round robin: about a microsecond as a rule, some milliseconds at worst (64 backends
    /// whose weights are near 1000 and have no common divisor).
    ///
    /// # Errors
    ///
    /// Refuses an empty list, more than [`MAX_BACKENDS`](Self::MAX_BACKENDS), a weight out of
    /// range, a [key](Backend::key) that is not its own, and a
    /// [`max_failures`](Config::max_failures) of 0.
    ///
    /// ```
    /// use policy_ha::{Backend, Balancer, Config, ConfigError};
    ///
    /// assert_eq!(Balancer::new(Config::default(), [Backend::default()])?.len(), 1);
    /// assert_eq!(Balancer::new(Config::default(), []).unwrap_err(), ConfigError::NoBackends);
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn new(
        config: Config,
        backends: impl IntoIterator<Item = Backend>,
    ) -> Result<Self, ConfigError> {
        if config.max_failures == 0 {
            return Err(ConfigError::MaxFailures);
        }
        // One more than allowed proves that there are too many, even if they never end.
        let limit = Self::MAX_BACKENDS + 1;
        let backends: Vec<Backend> = backends.into_iter().take(limit).collect();
        if backends.is_empty() {
            return Err(ConfigError::NoBackends);
        }
        if backends.len() == limit {
            return Err(ConfigError::TooManyBackends);
        }
        for (index, &Backend { weight, .. }) in backends.iter().enumerate() {
            if !(1..=Backend::MAX_WEIGHT).contains(&weight) {
                return Err(ConfigError::Weight { index, weight });
            }
        }
        let identities: Vec<u64> = (0..)
            .zip(&backends)
            .map(|(place, backend)| backend.key.unwrap_or(place))
            .collect();
        for (index, identity) in identities.iter().enumerate() {
            if identities[..index].contains(identity) {
                return Err(ConfigError::Key { index });
            }
        }

        let tiers = tiers(&backends);
        let weights: Vec<u16> = backends.iter().map(|backend| backend.weight).collect();
        let health = |&identity| Health::new(hash(config.seed, identity));
        let all = tiers.iter().fold(0, |set, tier| set | tier);
        Ok(Self {
            config,
            order: RoundRobin::new(&weights, &tiers, config.seed),
            rendezvous: Rendezvous::new(&identities, &weights),
            failovers: 0,
            tiers,
            weights: weights.into(),
            health: identities.iter().map(health).collect(),
            up: all,
            enabled: all,
            draining: 0,
        })
    }

    /// A balancer for a list that has changed, in which those that stay keep their health and their
    /// [mode](Self::mode). Each backend comes with the id that it has here, or `None` if it is new.
    ///
    /// The new one has ids of its own, by the new places. Its round robin starts where the
    /// [seed](Config::seed) says. An id that this balancer does not have counts as `None`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use policy_ha::{Backend, Balancer, Config, Outcome, Status};
    ///
    /// let mut old = Balancer::new(Config::default(), [Backend::default(); 2])?;
    /// let [one, other] = [0, 1].map(|index| old.ids().nth(index).unwrap());
    /// old.observe(Instant::now(), other, Outcome::Failure { took: Duration::ZERO });
    ///
    /// // The first one leaves, a third one joins.
    /// let list = [(Backend::default(), Some(other)), (Backend::default(), None)];
    /// let new = old.renewed(Config::default(), list)?;
    /// let states: Vec<_> = new.ids().map(|id| new.status(id)).collect();
    /// assert_eq!(states, [old.status(other), Status::Up]);
    /// # Ok::<(), policy_ha::ConfigError>(())
    /// ```
    pub fn renewed(
        &self,
        config: Config,
        backends: impl IntoIterator<Item = (Backend, Option<BackendId>)>,
    ) -> Result<Self, ConfigError> {
        let limit = Self::MAX_BACKENDS + 1;
        let (backends, known): (Vec<_>, Vec<_>) = backends.into_iter().take(limit).unzip();
        let mut renewed = Self::new(config, backends)?;
        renewed.failovers = self.failovers;
        for (id, known) in renewed.ids().zip(known) {
            let Some((old, health)) =
                known.and_then(|old| Some((old, self.health.get(old.index())?)))
            else {
                continue;
            };
            renewed.health[id.index()] = health.clone();
            if self.up & old.bit() == 0 {
                renewed.up &= !id.bit();
            }
            renewed.set_mode(id, self.mode(old));
        }
        Ok(renewed)
    }

    /// How an attempt ended, and whether that took the backend down or brought it back.
    ///
    /// `now` is the end of the attempt. An id that this balancer does not have is ignored.
    ///
    /// The attempt need not be one that was [picked](Self::pick). A caller that knows from elsewhere that
    /// a backend answers, by a check of its own or because it told so, reports a
    /// [success](Outcome::Success) and brings it back before its trial; what it knows of failures
    /// counts as well.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use policy_ha::{Backend, Balancer, Config, Outcome, Transition};
    ///
    /// let mut balancer = Balancer::new(Config::default(), [Backend::default()])?;
    /// let id = balancer.ids().next().unwrap();
    /// let now = Instant::now();
    ///
    /// let refused = Outcome::Failure { took: Duration::ZERO };
    /// let Some(Transition::Down { due_in, .. }) = balancer.observe(now, id, refused) else {
    ///     panic!("one failure takes it down");
    /// };
    /// assert!(due_in >= Duration::from_secs(1) && due_in < Duration::from_millis(1250));
    /// assert_eq!(balancer.observe(now, id, refused), None); // it was down already
    ///
    /// let pause = Duration::from_secs(3);
    /// let change = balancer.observe(now + pause, id, Outcome::Success);
    /// assert!(matches!(change, Some(Transition::Up { after, .. }) if after == pause));
    /// # Ok::<(), policy_ha::ConfigError>(())
    /// ```
    #[inline]
    pub fn observe(&mut self, now: Instant, id: BackendId, outcome: Outcome) -> Option<Transition> {
        let health = self.health.get_mut(id.index())?;
        let change = match outcome {
            Outcome::Success => health.succeeded(now),
            Outcome::Failure { took } => health.failed(now, took, &self.config),
        };
        match change {
            Some(Transition::Up { .. }) => self.up |= id.bit(),
            Some(Transition::Down { .. }) => self.up &= !id.bit(),
            None => {}
        }
        change
    }

    /// Whether a backend is believed to answer. Nothing is known against one that this balancer
    /// does not have: it is [`Up`](Status::Up).
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// use policy_ha::{Backend, Balancer, Config, Status};
    ///
    /// let balancer = Balancer::new(Config::default(), [Backend::default(); 4])?;
    /// assert!(balancer.ids().all(|id| balancer.status(id) == Status::Up));
    /// # Ok::<(), policy_ha::ConfigError>(())
    /// ```
    pub fn status(&self, id: BackendId) -> Status {
        self.health
            .get(id.index())
            .map_or(Status::Up, Health::status)
    }

    /// All backends, in the order in which they were given.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = BackendId> + use<> {
        (0..self.len()).filter_map(BackendId::new)
    }

    /// The number of backends, 1 to [`MAX_BACKENDS`](Self::MAX_BACKENDS).
    #[expect(clippy::len_without_is_empty, reason = "there is always a backend")]
    pub fn len(&self) -> usize {
        self.health.len()
    }
}

fn tiers(backends: &[Backend]) -> Box<[u64]> {
    let mut priorities: Vec<u16> = backends.iter().map(|backend| backend.priority).collect();
    priorities.sort_unstable();
    priorities.dedup();
    let members = |priority| {
        let places = (0..)
            .zip(backends)
            .filter(|(_, backend)| backend.priority == priority);
        places.fold(0, |set, (place, _)| set | 1 << place)
    };
    priorities.into_iter().map(members).collect()
}
