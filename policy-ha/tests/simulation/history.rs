//! What was seen of a world: what the laws are about.

use std::{ops::Range, time::Duration};

/// What happened, in order.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) requests: Vec<Request>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) changes: Vec<Change>,
    pub(crate) ends: Vec<Ended>,
}

impl History {
    /// What a server was asked in this time.
    pub(crate) fn asked(
        &self,
        server: usize,
        during: Range<Duration>,
    ) -> impl Iterator<Item = &Attempt> + Clone {
        let attempts = self.attempts.iter();
        attempts.filter(move |attempt| attempt.server == server && during.contains(&attempt.began))
    }

    /// When it was found to be up, or down, the first time from then on.
    pub(crate) fn next(&self, server: usize, from: Duration, is_up: bool) -> Duration {
        let mut changes = self.changes.iter();
        let next = changes
            .find(|change| change.server == server && change.is_up == is_up && change.at >= from);
        next.map_or(Duration::MAX, |change| change.at)
    }
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) client: usize,
    pub(crate) began: Duration,
    pub(crate) is_poison: bool,
    pub(crate) sticks_to: Option<usize>,
    pub(crate) key: Option<u64>,
    pub(crate) ended: Option<Duration>,
    pub(crate) is_answered: bool,
    pub(crate) attempts: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) request: usize,
    /// Counted from 0.
    pub(crate) place: usize,
    pub(crate) server: usize,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    pub(crate) end: End,
    pub(crate) why: Why,
    /// Those that were up or due for a trial, of the priority that had the turn.
    pub(crate) candidates: u64,
    /// Those of them, and of other priorities, that were up.
    pub(crate) up: u64,
    /// How many requests each server had under way.
    pub(crate) loads: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    Answered,
    Failed,
    /// Dropped at the request's own deadline.
    Dropped,
}

/// Why a server was asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Why {
    /// It answered the rest of the message.
    Sticks,
    /// It was believed to be up.
    Up,
    /// It was down and due.
    Trial,
    /// It was down and not due.
    LastResort,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) at: Duration,
    pub(crate) server: usize,
    pub(crate) is_up: bool,
}

/// The end of a server's trouble.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) server: usize,
    pub(crate) trouble: usize,
    /// Since when it was believed to be down, and when it was due for a trial.
    pub(crate) down: Option<(Duration, Duration)>,
}
