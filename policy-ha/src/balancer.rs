use std::time::Instant;

use crate::{
    Backend, BackendId, Config, ConfigError, Outcome, Preference, Status, Transition, Tried,
    bits::ones, hash::hash, health::Health, round_robin::RoundRobin,
};

/// Decides who is asked next, and remembers who does not answer.
///
/// For each request, take a new [`Tried`], then [`pick`](Self::pick) and ask, and tell the
/// [outcome](Self::observe), until somebody answers or nobody is left. Any number of requests may be
/// under way at a time. The [crate's documentation](crate) has the loop in full, and the rules.
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
    order: RoundRobin,
    health: Box<[Health]>,
    /// All backends, and those that are up according to `health`: it saves looking at each.
    all: u64,
    up: u64,
}

impl Balancer {
    /// The most backends that a balancer takes: as many as a `u64` has bits.
    pub const MAX_BACKENDS: usize = u64::BITS as usize;

    /// All backends start up, and are known by their place in the list.
    ///
    /// Memory is allocated here and never again. A [seed](Config::seed) costs a part of a full turn
    /// of the round robin: about a microsecond as a rule, some milliseconds at worst (64 backends
    /// whose weights are near 1000 and have no common divisor).
    ///
    /// # Errors
    ///
    /// Refuses an empty list, more than [`MAX_BACKENDS`](Self::MAX_BACKENDS), a weight out of
    /// range, and a [`max_failures`](Config::max_failures) of 0.
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

        let tiers = tiers(&backends);
        let weights = backends.iter().map(|backend| backend.weight);
        let keys = (0..).map(|place| hash(config.seed, place));
        let all = tiers.iter().fold(0, |set, tier| set | tier);
        Ok(Self {
            config,
            order: RoundRobin::new(weights, &tiers, config.seed),
            tiers,
            health: backends
                .iter()
                .zip(keys)
                .map(|(_, key)| Health::new(key))
                .collect(),
            all,
            up: all,
        })
    }

    /// Who is to be asked next for a request, which has `tried` others before: noted there too.
    /// `None` when the request has been offered every backend.
    ///
    /// The order is: the [preferred](Preference) backend; those that are up or due for a trial, by
    /// priority and, within one, by weight; those that are down and not due, the soonest due first.
    /// A request that has been offered one already gets no trial while another backend is up.
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
        let open = self.all & !tried.bits();
        let id = self
            .preferred(preference, open)
            .or_else(|| self.by_turn(now, open, tried.is_empty()))
            .or_else(|| self.soonest_due(open))?;
        tried.insert(id);
        Some(id)
    }

    /// How an attempt ended, and whether that took the backend down or brought it back.
    ///
    /// `now` is the end of the attempt. An id that this balancer does not have is ignored.
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
    /// let Some(Transition::Down { due_in }) = balancer.observe(now, id, refused) else {
    ///     panic!("one failure takes it down");
    /// };
    /// assert!(due_in >= Duration::from_secs(1) && due_in < Duration::from_millis(1250));
    /// assert_eq!(balancer.observe(now, id, refused), None); // it was down already
    ///
    /// let after = Duration::from_secs(3);
    /// let change = balancer.observe(now + after, id, Outcome::Success);
    /// assert_eq!(change, Some(Transition::Up { after }));
    /// # Ok::<(), policy_ha::ConfigError>(())
    /// ```
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

    fn preferred(&self, preference: Preference, open: u64) -> Option<BackendId> {
        match preference {
            Preference::None => None,
            Preference::Stick(id) => (self.up & open & id.bit() != 0).then_some(id),
        }
    }

    fn by_turn(&mut self, now: Instant, open: u64, is_first: bool) -> Option<BackendId> {
        let up = open & self.up;
        // A request that has waited for one in vain pays for no trial while somebody is up.
        let trials = match is_first || up == 0 {
            true => open & !self.up,
            false => 0,
        };
        let due = ones(trials)
            .filter(|&index| self.health[index].due().is_none_or(|due| due <= now))
            .fold(0, |set, index| set | 1 << index);
        let usable = up | due;
        let candidates = self
            .tiers
            .iter()
            .map(|tier| tier & usable)
            .find(|&set| set != 0)?;
        let index = self.order.next(candidates)?;
        self.health[index].handed_out(now, &self.config);
        BackendId::new(index)
    }

    fn soonest_due(&self, open: u64) -> Option<BackendId> {
        // The first of equals is found, and tiers come by priority, members by index.
        let members = self.tiers.iter().flat_map(|tier| ones(tier & open));
        BackendId::new(members.min_by_key(|&index| self.health[index].due())?)
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
