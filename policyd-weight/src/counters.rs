//! The counters of answers to requests. One worker answers all requests, and it alone counts.

use policy_daemon::metrics::{Counter, Values};

use crate::{cache::Known, number, score::Decision};

/// What decided on a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DecidedBy {
    /// The request itself: a bounce, or mail for who answers for the host.
    Request,
    /// The answer to the mail's last request.
    Memory,
    /// The cache of clients that were rejected.
    SpamCache,
    /// The cache of clients that were accepted.
    HamCache,
    /// That cache, and no list had the client.
    HamCacheAndLists,
    /// The score.
    Score,
    /// Nothing: too many requests were under way.
    Nothing,
}

impl DecidedBy {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Request, "request"),
        (Self::Memory, "memory"),
        (Self::SpamCache, "spam_cache"),
        (Self::HamCache, "ham_cache"),
        (Self::HamCacheAndLists, "ham_cache_and_lists"),
        (Self::Score, "score"),
        (Self::Nothing, "nothing"),
    ];

    /// Its name among the metrics.
    pub(crate) fn name(self) -> &'static str {
        let (_, name) = Self::ALL.get(self as usize).copied().unwrap_or((self, ""));
        name
    }
}

/// What the answers to requests are counted by.
#[derive(Debug)]
pub(crate) struct Counters {
    decisions: [Counter; DecidedBy::ALL.len()],
    scores: Values,
    /// By step, then by the sign of the points.
    steps: [[Counter; POINTS.len()]; STEPS.len()],
    lookups: [Counter; LOOKUPS.len()],
    purged: [Counter; 2],
    reloads: [Counter; RELOADS.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            decisions: Default::default(),
            scores: Values::new(&SCORES),
            steps: Default::default(),
            lookups: Default::default(),
            purged: Default::default(),
            reloads: Default::default(),
        }
    }
}

impl Counters {
    /// A request was decided on.
    pub(crate) fn decided(&self, by: DecidedBy) {
        add(self.decisions.get(by as usize), 1);
    }

    /// A score has come to its end.
    pub(crate) fn scored(&self, decision: &Decision) {
        self.decided(DecidedBy::Score);
        self.scores.add(number::read(&decision.rate));
        for (step, points) in &decision.points {
            let step = STEPS.iter().position(|known| known == step);
            let sign = match *points {
                points if points > 0.0 => 0,
                points if points < 0.0 => 1,
                _ => 2,
            };
            add(step.and_then(|step| self.steps.get(step)?.get(sign)), 1);
        }
    }

    /// The cache was asked.
    pub(crate) fn looked_up(&self, known: Option<&Known>) {
        let result = match known {
            Some(Known::Spam(_)) => 0,
            Some(Known::Hard(_)) => 1,
            Some(Known::Soft(_)) => 2,
            None => 3,
        };
        add(self.lookups.get(result), 1);
    }

    /// Old entries have gone from a cache.
    pub(crate) fn purged(&self, is_ham: bool, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        add(self.purged.get(usize::from(is_ham)), count);
    }

    /// The file was read again.
    pub(crate) fn reloaded(&self, is_done: bool) {
        add(self.reloads.get(usize::from(!is_done)), 1);
    }

    pub(super) fn decisions(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = DecidedBy::ALL.into_iter().map(|(_, name)| name);
        names.zip(self.decisions.iter().map(Counter::get))
    }

    pub(super) fn scores(&self) -> &Values {
        &self.scores
    }

    /// Step, sign of the points, and how often.
    pub(super) fn steps(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        STEPS
            .into_iter()
            .zip(&self.steps)
            .flat_map(|(step, counts)| {
                let counts = POINTS.into_iter().zip(counts);
                counts.map(move |(sign, count)| (step, sign, count.get()))
            })
    }

    pub(super) fn lookups(&self) -> impl Iterator<Item = (&'static str, u64)> {
        LOOKUPS
            .into_iter()
            .zip(self.lookups.iter().map(Counter::get))
    }

    pub(super) fn purges(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ["spam", "ham"]
            .into_iter()
            .zip(self.purged.iter().map(Counter::get))
    }

    pub(super) fn reloads(&self) -> impl Iterator<Item = (&'static str, u64)> {
        RELOADS
            .into_iter()
            .zip(self.reloads.iter().map(Counter::get))
    }
}

fn add(counter: Option<&Counter>, number: u64) {
    if let Some(counter) = counter {
        counter.add(number);
    }
}

/// The steps of the score that have rows, without the sum.
const STEPS: [&str; 14] = [
    "list",
    "names",
    "bad MX",
    "bogus MX",
    "network",
    "numeric HELO",
    "sender against HELO",
    "client",
    "reverse name",
    "HELO",
    "sender",
    "SPF",
    "country",
    "domain list",
];
const POINTS: [&str; 3] = ["positive", "negative", "zero"];
const LOOKUPS: [&str; 4] = ["spam", "ham", "ham_to_check", "unknown"];
const RELOADS: [&str; 2] = ["done", "refused"];
/// Around the levels that reject and defer by default, 1 and 5.
const SCORES: [f64; 14] = [
    -10.0, -5.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Verdict;

    #[test]
    fn points_are_counted_by_their_sign() {
        let counters = Counters::default();
        counters.scored(&Decision {
            action: String::new(),
            verdict: Verdict::Accepted,
            log: None,
            cached: None,
            reject_text: None,
            rate: String::new(),
            points: vec![("list", 1.0), ("names", -1.0), ("list", 0.0), ("sum", 0.0)],
            rows: vec![],
        });
        let counted = counters.steps().filter(|(.., count)| *count > 0);
        let expected = [
            ("list", "positive", 1),
            ("list", "zero", 1),
            ("names", "negative", 1),
        ];
        assert_eq!(counted.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_list_is_in_the_order_of_the_numbers() {
        for (number, (by, name)) in DecidedBy::ALL.into_iter().enumerate() {
            assert_eq!(by as usize, number, "{name}");
        }
    }
}
