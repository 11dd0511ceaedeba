//! The start of a simulation: servers with their troubles, clients, and how long a request may take.

use std::time::Duration;

use policy_ha::{Backend, Config};

/// All times are counted from the start of the world.
#[derive(Clone, Debug)]
pub struct World {
    /// The balancer's.
    pub config: Config,
    /// The balancer's strategy.
    pub balance: Balance,
    /// At most 64.
    pub servers: Vec<Server>,
    /// All of them use one balancer.
    pub clients: Vec<Client>,
    /// The longest that one attempt may take: it failed then.
    pub timeout: Duration,
    /// The longest that a request may take. An attempt that this cuts short says nothing about the
    /// server, and is dropped without an outcome.
    pub deadline: Option<Duration>,
    /// No request begins later.
    pub end: Duration,
}

/// How a server is chosen among those of a priority.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Balance {
    /// By turn.
    RoundRobin,
    /// By what is under way.
    LeastLoaded,
    /// By key; each client has so many, which come equally often, as those of a greylist do.
    Hash(u64),
    /// By key; the `k`th of so many comes with `1 / k` of the probability of the first, as domains of senders do.
    HashSkewed(u64),
}

/// A policy server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its priority and weight.
    pub backend: Backend,
    /// The work that one request is at least, and so the time to the answer if nothing is wrong.
    pub latency: Duration,
    /// How much work more it is by chance, in the mean.
    pub more: Duration,
    /// In order, without overlap.
    pub troubles: Vec<Trouble>,
}

/// A time in which a server is not well.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// Its begin.
    pub from: Duration,
    /// Its end.
    pub until: Duration,
    /// What is wrong.
    pub kind: Kind,
}

/// What can be wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Requests under way are lost at once, new ones are refused at once.
    Away,
    /// Nothing is refused and nothing gets done, as between SIGSTOP and SIGCONT.
    Hangs,
    /// What it is doing, and what it is asked, is never answered, as if packets were dropped.
    Swallows,
    /// All work takes so many times as long.
    Slow(u32),
}

/// A source of requests, many of which may be under way at a time.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// When its first request comes.
    pub first: Duration,
    /// The time between two requests.
    pub gap: Gap,
    /// So many requests after another stick to whom answered.
    pub message: u32,
    /// No server ever answers one request in so many, at random.
    pub poison: Option<u64>,
    /// Of all that is left to chance.
    pub seed: u64,
}

/// A request each second from the start, of which none sticks and none is poison.
impl Default for Client {
    fn default() -> Self {
        Self {
            first: Duration::ZERO,
            gap: Gap::Steady(Duration::from_secs(1)),
            message: 1,
            poison: None,
            seed: 1,
        }
    }
}

/// The time between two requests of a client.
#[derive(Clone, Copy, Debug)]
pub enum Gap {
    /// Always the same.
    Steady(Duration),
    /// As if each moment were as likely as any other, with this mean.
    Random(Duration),
}

impl Server {
    /// One to which nothing happens.
    #[must_use]
    pub const fn well(backend: Backend, latency: Duration) -> Self {
        Self {
            backend,
            latency,
            more: Duration::ZERO,
            troubles: Vec::new(),
        }
    }

    /// Adds what does not overlap with the troubles that it has.
    pub fn trouble(&mut self, from: Duration, lasts: Duration, kind: Kind) {
        let until = from + lasts;
        if !lasts.is_zero()
            && !self
                .troubles
                .iter()
                .any(|t| t.from <= until && from <= t.until)
        {
            self.troubles.push(Trouble { from, until, kind });
            self.troubles.sort_unstable_by_key(|trouble| trouble.from);
        }
    }

    /// When an attempt ends that begins now, and whether with an answer. `chance` is between 0 and 1.
    pub(crate) fn ask(&self, began: Duration, is_poison: bool, chance: f64) -> (Duration, bool) {
        let mut now = began;
        let mut work = if is_poison { FOR_EVER } else { self.latency };
        if !self.more.is_zero() {
            work += exponential(self.more, chance);
        }
        for &Trouble { from, until, kind } in &self.troubles {
            if until <= now {
                continue;
            }
            if now < from {
                if now + work < from {
                    break;
                }
                work -= from - now;
                now = from;
            }
            match kind {
                Kind::Away => return (now, false),
                Kind::Hangs => {}
                Kind::Swallows => work = FOR_EVER,
                Kind::Slow(factor) => {
                    let done = (until - now) / factor;
                    if work < done {
                        return (now + work * factor, true);
                    }
                    work -= done;
                }
            }
            now = until;
        }
        (now + work, true)
    }

    /// From the end of this trouble to the next one.
    #[must_use]
    pub fn well_after(&self, trouble: usize) -> (Duration, Duration) {
        let from = self.troubles[trouble].until;
        let next = self.troubles.get(trouble + 1);
        (from, next.map_or(Duration::MAX, |next| next.from))
    }

    /// Whether nothing is wrong with it in this time.
    #[must_use]
    pub fn is_well(&self, from: Duration, until: Duration) -> bool {
        let mut troubles = self.troubles.iter();
        !troubles.any(|trouble| trouble.from <= until && from <= trouble.until)
    }
}

impl Client {
    /// The time from its `n`th request to the next.
    pub(crate) fn gap(&self, n: u64) -> Duration {
        match self.gap {
            Gap::Steady(gap) => gap,
            Gap::Random(mean) => exponential(mean, self.part(n, 0)),
        }
    }

    pub(crate) fn key(&self, n: u64, balance: Balance) -> Option<u64> {
        match balance {
            Balance::RoundRobin | Balance::LeastLoaded => None,
            Balance::Hash(keys) => Some(mix(self.chance(n, 2) % keys)),
            Balance::HashSkewed(keys) => Some(mix((keys as f64).powf(self.part(n, 2)) as u64)),
        }
    }

    pub(crate) fn is_poison(&self, n: u64) -> bool {
        self.poison
            .is_some_and(|one_in| self.chance(n, 1).is_multiple_of(one_in))
    }

    /// Between 0 and 1; the same for the same request and purpose.
    pub(crate) fn part(&self, n: u64, what: u64) -> f64 {
        (self.chance(n, what) >> 11) as f64 / (1u64 << 53) as f64
    }

    const fn chance(&self, n: u64, what: u64) -> u64 {
        mix(mix(self.seed.wrapping_add(n)).wrapping_add(what))
    }
}

/// As if each moment were as likely as any other, with this mean; `chance` is between 0 and 1.
fn exponential(mean: Duration, chance: f64) -> Duration {
    mean.mul_f64(-(1.0 - chance).ln())
}

/// One in a few that are as good as chance.
#[must_use]
pub const fn mix(n: u64) -> u64 {
    let mut x = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Longer than any world.
const FOR_EVER: Duration = Duration::from_secs(1 << 30);
