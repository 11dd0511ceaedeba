//! Questions counted by their outcomes.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::Instant;

use crate::Outcome;

/// How many questions a resolver was asked, by what came of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct DnsCounts {
    /// Answered from what was kept; no server was asked.
    pub cached: u64,
    /// A server had such records.
    pub records: u64,
    /// A server said that there is no such name, or no record of the type.
    pub empty: u64,
    /// The servers could not find out, or did not want to answer.
    pub failed: u64,
    /// No server has answered in time. A question that all who asked it have given up counts here if that was after half
    /// the time of a try, or 0.9 s, since a server was asked, and nowhere otherwise.
    pub timeout: u64,
    /// No server could be reached.
    pub unreachable: u64,
    /// How many questions in a row no server has answered, until now. One during which a server has answered others is not
    /// counted: that it has no answer is the fault of the servers of its domain.
    pub unanswered_in_a_row: u64,
}

impl DnsCounts {
    /// Whether the servers answer, as far as the last questions show: a few in a row without an answer, while nothing else
    /// was answered either, are the fault of the servers.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        self.unanswered_in_a_row < SILENT
    }
}

/// A test of two lists has as many questions.
const SILENT: u64 = 4;

/// A question under way, which counts when it ends or is given up.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    counters: &'a Counters,
    begin: Instant,
    /// What had been answered by then.
    answers: u64,
    patience: Duration,
    outcome: Option<Outcome>,
}

impl Asked<'_> {
    pub(super) fn end(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let is_long = self.begin.elapsed() >= self.patience;
        let timeout = is_long.then_some(Outcome::Timeout);
        if let Some(outcome) = self.outcome.or(timeout) {
            self.counters.asked(outcome, self.answers);
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    cached: AtomicU64,
    records: AtomicU64,
    empty: AtomicU64,
    failed: AtomicU64,
    timeout: AtomicU64,
    unreachable: AtomicU64,
    unanswered_in_a_row: AtomicU64,
}

impl Counters {
    pub(super) fn cached(&self) {
        self.cached.fetch_add(1, Relaxed);
    }

    /// A question that is asked now. Without an outcome it counts as one that has none in time, from `patience` on.
    pub(super) fn begin(&self, patience: Duration) -> Asked<'_> {
        Asked {
            counters: self,
            begin: Instant::now(),
            answers: self.answers(),
            patience,
            outcome: None,
        }
    }

    /// What came of a question at whose begin so many had been answered.
    pub(super) fn asked(&self, outcome: Outcome, answers: u64) {
        let counter = match outcome {
            Outcome::Records => &self.records,
            Outcome::NoData | Outcome::NxDomain => &self.empty,
            Outcome::ServFail | Outcome::Refused | Outcome::Failed(_) => &self.failed,
            Outcome::Timeout => &self.timeout,
            Outcome::Unreachable => &self.unreachable,
        };
        counter.fetch_add(1, Relaxed);
        if !matches!(outcome, Outcome::Timeout | Outcome::Unreachable) {
            self.unanswered_in_a_row.store(0, Relaxed);
        } else if self.answers() == answers {
            self.unanswered_in_a_row.fetch_add(1, Relaxed);
        }
    }

    /// How many questions servers have answered.
    pub(super) fn answers(&self) -> u64 {
        let answered = [&self.records, &self.empty, &self.failed];
        answered.map(|counter| counter.load(Relaxed)).iter().sum()
    }

    pub(super) fn get(&self) -> DnsCounts {
        DnsCounts {
            cached: self.cached.load(Relaxed),
            records: self.records.load(Relaxed),
            empty: self.empty.load(Relaxed),
            failed: self.failed.load(Relaxed),
            timeout: self.timeout.load(Relaxed),
            unreachable: self.unreachable.load(Relaxed),
            unanswered_in_a_row: self.unanswered_in_a_row.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_without_an_answer_are_no_fault_of_servers_that_have_answered_others_meanwhile() {
        let counters = Counters::default();
        let begun = || -> Vec<_> {
            (0..SILENT)
                .map(|_| counters.begin(Duration::ZERO))
                .collect()
        };
        let silent = begun();
        counters.begin(Duration::ZERO).end(Outcome::NxDomain);
        for question in silent {
            question.end(Outcome::Timeout);
        }
        let counts = counters.get();
        assert!(counts.is_answering(), "{counts:?}");
        assert_eq!((counts.timeout, counts.empty), (SILENT, 1));
        // Nothing comes any more.
        for question in begun() {
            question.end(Outcome::Unreachable);
        }
        assert!(!counters.get().is_answering());
        counters.begin(Duration::ZERO).end(Outcome::ServFail);
        assert!(counters.get().is_answering());
    }
}
