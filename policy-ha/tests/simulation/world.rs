//! Servers with their troubles, clients, and how long a request may take: what a simulation starts from.

use std::time::Duration;

use policy_ha::{Backend, Config};

/// All times are counted from the start of the world.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) balance: Balance,
    pub(crate) servers: Vec<Server>,
    pub(crate) clients: Vec<Client>,
    /// The longest that one attempt may take: it failed then.
    pub(crate) timeout: Duration,
    /// The longest that a request may take. An attempt that this cuts short says nothing about the
    /// server, and is dropped without an outcome.
    pub(crate) deadline: Option<Duration>,
    /// No request begins later.
    pub(crate) end: Duration,
}

/// How a server is chosen among those of a priority.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Balance {
    RoundRobin,
    LeastLoaded,
    /// Each client has so many keys.
    Hash(u64),
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) backend: Backend,
    /// The work that one request is, and so the time to the answer if nothing is wrong.
    pub(crate) latency: Duration,
    /// In order, without overlap.
    pub(crate) troubles: Vec<Trouble>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
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
pub(crate) struct Client {
    pub(crate) first: Duration,
    pub(crate) gap: Gap,
    /// So many requests after another stick to whom answered.
    pub(crate) message: u32,
    /// No server ever answers one request in so many, at random.
    pub(crate) poison: Option<u64>,
    pub(crate) seed: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Gap {
    Steady(Duration),
    /// As if each moment were as likely as any other, with this mean.
    Random(Duration),
}

impl Server {
    pub(crate) const fn well(backend: Backend, latency: Duration) -> Self {
        Self {
            backend,
            latency,
            troubles: Vec::new(),
        }
    }

    /// Adds what does not overlap with the troubles that it has.
    pub(crate) fn trouble(&mut self, from: Duration, lasts: Duration, kind: Kind) {
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

    /// When an attempt ends that begins now, and whether with an answer.
    pub(crate) fn ask(&self, began: Duration, is_poison: bool) -> (Duration, bool) {
        let mut now = began;
        let mut work = if is_poison { FOR_EVER } else { self.latency };
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
    pub(crate) fn well_after(&self, trouble: usize) -> (Duration, Duration) {
        let from = self.troubles[trouble].until;
        let next = self.troubles.get(trouble + 1);
        (from, next.map_or(Duration::MAX, |next| next.from))
    }

    pub(crate) fn is_well(&self, from: Duration, until: Duration) -> bool {
        let mut troubles = self.troubles.iter();
        !troubles.any(|trouble| trouble.from <= until && from <= trouble.until)
    }
}

impl Client {
    /// The time from its `n`th request to the next.
    pub(crate) fn gap(&self, n: u64) -> Duration {
        match self.gap {
            Gap::Steady(gap) => gap,
            Gap::Random(mean) => {
                let part = (self.chance(n, 0) >> 11) as f64 / (1u64 << 53) as f64;
                mean.mul_f64(-(1.0 - part).ln())
            }
        }
    }

    pub(crate) const fn key(&self, n: u64, keys: u64) -> u64 {
        mix(self.chance(n, 2) % keys)
    }

    pub(crate) fn is_poison(&self, n: u64) -> bool {
        self.poison
            .is_some_and(|one_in| self.chance(n, 1).is_multiple_of(one_in))
    }

    const fn chance(&self, n: u64, what: u64) -> u64 {
        mix(mix(self.seed.wrapping_add(n)).wrapping_add(what))
    }
}

/// One in a few that are as good as chance.
pub(crate) const fn mix(n: u64) -> u64 {
    let mut x = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Longer than any world.
const FOR_EVER: Duration = Duration::from_secs(1 << 30);
