//! Requests that are picked for in every way there is.

#![allow(dead_code, reason = "each test file uses its part")]

use std::time::{Duration, Instant};

use policy_ha::{Backend, BackendId, Balancer, Config, Mode, Outcome, Preference, Tried};
use proptest::{collection::vec, prelude::*};

pub(crate) const REFUSED: Outcome = Outcome::Failure {
    took: Duration::ZERO,
};

/// Far enough from the start of the clock to go back a little.
#[expect(clippy::disallowed_methods, reason = "an arbitrary epoch")]
pub(crate) fn epoch() -> Instant {
    Instant::now() + Duration::from_secs(1 << 30)
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Within a priority, by what.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    Turn,
    /// Each backend's load is one of its 16 digits.
    Load(u64),
    Key(u64),
}

/// What a request wishes for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) stick: Option<BackendId>,
    pub(crate) by: By,
}

impl Wish {
    pub(crate) const fn by(by: By) -> Self {
        Self { stick: None, by }
    }

    pub(crate) fn load(loads: u64, id: BackendId) -> u32 {
        (loads >> (id.index() % 16 * 4)) as u32 & 15
    }

    pub(crate) fn pick(
        self,
        balancer: &mut Balancer,
        now: Instant,
        tried: &mut Tried,
    ) -> Option<BackendId> {
        let preference = match (self.stick, self.by) {
            (None, By::Turn | By::Load(_)) => Preference::None,
            (Some(id), By::Turn | By::Load(_)) => Preference::Stick(id),
            (None, By::Key(key)) => Preference::Hash(key),
            (Some(id), By::Key(key)) => Preference::StickOrHash(id, key),
        };
        match self.by {
            By::Load(loads) => {
                balancer.pick_least_loaded(now, preference, tried, |id| Self::load(loads, id))
            }
            By::Turn | By::Key(_) => balancer.pick(now, preference, tried),
        }
    }

    /// Whom a request is offered first.
    pub(crate) fn first(self, balancer: &mut Balancer, now: Instant) -> Option<usize> {
        self.pick(balancer, now, &mut Tried::new())
            .map(BackendId::index)
    }

    /// A request that nobody answers: everybody it was offered.
    pub(crate) fn round(self, balancer: &mut Balancer, now: Instant) -> Vec<BackendId> {
        let mut tried = Tried::new();
        std::iter::from_fn(|| self.pick(balancer, now, &mut tried)).collect()
    }
}

pub(crate) fn by() -> impl Strategy<Value = By> {
    prop_oneof![
        2 => Just(By::Turn),
        1 => any::<u64>().prop_map(By::Load),
        1 => any::<u64>().prop_map(By::Key),
    ]
}

/// With a place in place of the backend.
pub(crate) fn wish() -> impl Strategy<Value = (Option<u8>, By)> {
    (prop::option::weighted(0.3, 0..64u8), by())
}

pub(crate) fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![3 => Just(Mode::Enabled), 1 => Just(Mode::Drain), 1 => Just(Mode::Disabled)]
}

/// Something that happened before a law is put to the test.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A request: what it wishes for, and how long each attempt takes to fail but the last, which
    /// succeeds or is cancelled.
    Request {
        wish: (Option<u8>, By),
        fails: Vec<u64>,
        answered: bool,
    },
    Observe(u8, Option<u64>),
    Mode(u8, Mode),
    /// Milliseconds, mostly forwards.
    Time(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let took = prop_oneof![Just(0), 0..30_000u64];
    prop_oneof![
        4 => (wish(), vec(took.clone(), 0..5), any::<bool>())
            .prop_map(|(wish, fails, answered)| Event::Request { wish, fails, answered }),
        3 => (0..64u8, prop::option::of(took)).prop_map(|(id, failed)| Event::Observe(id, failed)),
        1 => (0..64u8, mode()).prop_map(|(id, mode)| Event::Mode(id, mode)),
        3 => prop_oneof![9 => 0..5_000i64, 2 => 0..200_000i64, 1 => -10_000..0i64]
            .prop_map(Event::Time),
    ]
}

pub(crate) fn events() -> impl Strategy<Value = Vec<Event>> {
    vec(event(), 0..60)
}

/// Some know who they are, others are known by their places.
pub(crate) fn backends() -> impl Strategy<Value = Vec<Backend>> {
    let backend = (0..4u16, prop_oneof![1..=5u16, 1..=Backend::MAX_WEIGHT]);
    let backends = vec(
        backend.prop_map(|(priority, weight)| Backend::new(priority, weight)),
        1..=64,
    );
    (backends, any::<u64>(), any::<bool>()).prop_map(|(mut backends, first, named)| {
        for (n, backend) in (0..).zip(&mut backends) {
            backend.key = named.then(|| first.wrapping_add(n));
        }
        backends
    })
}

pub(crate) fn config() -> impl Strategy<Value = Config> {
    (1..4u32, 0..5_000u64, 0..100_000u64, any::<u64>()).prop_map(
        |(max_failures, min, max, seed)| {
            Config::default()
                .with_max_failures(max_failures)
                .with_min_backoff(millis(min))
                .with_max_backoff(millis(max))
                .with_seed(seed)
        },
    )
}

/// A balancer with a past.
pub(crate) fn lived() -> impl Strategy<Value = (Balancer, Instant)> {
    (config(), backends(), events()).prop_map(|(config, backends, events)| {
        let mut balancer = Balancer::new(config, backends).unwrap();
        let mut now = epoch();
        live(&mut balancer, &mut now, &events);
        (balancer, now)
    })
}

/// Lives through the events, and writes down all that the balancer said.
pub(crate) fn live(balancer: &mut Balancer, now: &mut Instant, events: &[Event]) -> Vec<String> {
    let ids: Vec<_> = balancer.ids().collect();
    let id = |index: u8| ids[usize::from(index) % ids.len()];
    let mut said = Vec::new();
    for event in events {
        match event {
            Event::Request {
                wish: (stick, by),
                fails,
                answered,
            } => {
                let wish = Wish {
                    stick: stick.map(id),
                    by: *by,
                };
                let mut tried = Tried::new();
                for &took in fails {
                    let Some(id) = wish.pick(balancer, *now, &mut tried) else {
                        break;
                    };
                    let took = millis(took);
                    *now += took;
                    let change = balancer.observe(*now, id, Outcome::Failure { took });
                    said.push(format!("{id:?} {change:?}"));
                }
                if let Some(id) = wish.pick(balancer, *now, &mut tried) {
                    let change = answered.then(|| balancer.observe(*now, id, Outcome::Success));
                    said.push(format!("{id:?} {change:?}"));
                }
            }
            Event::Observe(index, failed) => {
                let outcome = failed.map_or(Outcome::Success, |took| Outcome::Failure {
                    took: millis(took),
                });
                said.push(format!("{:?}", balancer.observe(*now, id(*index), outcome)));
            }
            Event::Mode(index, mode) => balancer.set_mode(id(*index), *mode),
            Event::Time(by) => {
                let step = millis(by.unsigned_abs());
                *now = if *by < 0 { *now - step } else { *now + step };
            }
        }
    }
    said.extend(ids.iter().map(|&id| format!("{:?}", balancer.status(id))));
    said
}

/// How often each backend occurs, by their places.
pub(crate) fn shares(places: &[usize], len: usize) -> Vec<usize> {
    (0..len)
        .map(|index| places.iter().filter(|&&place| place == index).count())
        .collect()
}

pub(crate) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
