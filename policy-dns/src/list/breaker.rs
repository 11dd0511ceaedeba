//! Errors in a row, and how long a list is skipped for them.

use std::time::Duration;

use tokio::time::Instant;

/// When a list that is skipped because of errors is asked again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Release {
    /// After a time: one check asks, and the others follow when that was answered.
    Time(Duration),
    /// After so many checks that were skipped, as in policyd-weight: then all ask.
    Checks(u32),
}

/// The errors in a row of all that ask a list.
#[derive(Debug)]
pub(super) struct Breaker {
    skip_after: u32,
    release: Release,
    errors: u32,
    skipped: u32,
    /// When the next check may try.
    try_at: Option<Instant>,
}

impl Breaker {
    pub(super) fn new(skip_after: u32, release: Release) -> Self {
        Self {
            skip_after,
            release,
            errors: 0,
            skipped: 0,
            try_at: None,
        }
    }

    /// Whether errors have it skip checks.
    pub(super) fn is_open(&self) -> bool {
        self.errors > self.skip_after
    }

    /// Whether a check may ask at a time.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        if !self.is_open() {
            return true;
        }
        match self.release {
            Release::Time(time) => {
                let is_due = self.try_at.is_none_or(|at| at <= now);
                if is_due {
                    // The others wait for the outcome, or for as long again if there is none.
                    self.try_at = now.checked_add(time);
                }
                is_due
            }
            Release::Checks(most) => {
                self.skipped += 1;
                if self.skipped >= most {
                    (self.errors, self.skipped) = (0, 0);
                }
                false
            }
        }
    }

    pub(super) fn answered(&mut self) {
        (self.errors, self.skipped, self.try_at) = (0, 0, None);
    }

    pub(super) fn failed(&mut self, now: Instant) {
        self.errors = self.errors.saturating_add(1);
        if let Release::Time(time) = self.release {
            self.try_at = now.checked_add(time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_list_is_tried_again_after_a_time() {
        let (minute, start) = (Duration::from_secs(60), Instant::now());
        let mut breaker = Breaker::new(2, Release::Time(minute));
        for _ in 0..3 {
            assert!(breaker.admits(start));
            breaker.failed(start);
        }
        assert!(breaker.is_open());
        assert!(!breaker.admits(start + minute - Duration::from_millis(1)));
        // One tries, the others wait.
        assert!(breaker.admits(start + minute));
        assert!(!breaker.admits(start + minute));
        breaker.failed(start + minute);
        assert!(!breaker.admits(start + minute));
        assert!(breaker.admits(start + 2 * minute));
        breaker.answered();
        assert!(breaker.admits(start + 2 * minute) && breaker.admits(start + 2 * minute));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_is_given_up_does_not_keep_the_others_out_for_good() {
        let (minute, start) = (Duration::from_secs(60), Instant::now());
        let mut breaker = Breaker::new(0, Release::Time(minute));
        breaker.failed(start);
        assert!(breaker.admits(start + minute));
        assert!(breaker.admits(start + 2 * minute));
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_is_asked_again_after_checks() {
        let now = Instant::now();
        let mut breaker = Breaker::new(1, Release::Checks(3));
        breaker.failed(now);
        breaker.failed(now);
        let admitted: Vec<_> = (0..5).map(|_| breaker.admits(now)).collect();
        assert_eq!(admitted, [false, false, false, true, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_ends_the_row() {
        let now = Instant::now();
        let mut breaker = Breaker::new(1, Release::Checks(3));
        breaker.failed(now);
        breaker.answered();
        breaker.failed(now);
        assert!(breaker.admits(now));
    }
}
