//! When lists are tested: hourly, and after pauses that grow as long as one of them does not answer its test.

use std::time::Duration;

use tokio::time::Instant;

/// The time of the next test.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    next: Option<Instant>,
    /// The last pause after a test without an answer.
    pause: Option<Duration>,
    is_under_way: bool,
    /// Whether the servers have come back, and the lists have not been seen to answer since.
    is_hastened: bool,
}

impl Schedule {
    /// Whether a test is due. One that asks so tests: the others have time until that is over.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let is_due = self.next.is_none_or(|next| next <= now);
        if is_due {
            self.is_under_way = true;
            self.next = now.checked_add(MAX_PAUSE);
        }
        is_due
    }

    /// The next test is due now. Failures of before are kept for a while: the first tests may meet them.
    pub(super) fn hasten(&mut self) {
        (self.next, self.pause) = (None, None);
        self.is_hastened = true;
    }

    /// Whether what is known of lists may be over soon.
    pub(super) fn is_awaited(&self, now: Instant) -> bool {
        self.is_hastened || self.is_under_way || self.next.is_none_or(|next| next <= now)
    }

    /// A test is over.
    pub(super) fn tested(&mut self, all_have_answered: bool, now: Instant) {
        self.is_under_way = false;
        let pause = if all_have_answered {
            self.pause = None;
            INTERVAL
        } else {
            let pause = self.pause.map_or(MIN_PAUSE, |pause| pause * 2);
            let pause = pause.min(MAX_PAUSE);
            self.pause = Some(pause);
            pause
        };
        self.is_hastened &= !all_have_answered && pause < MAX_HASTE;
        self.next = now.checked_add(pause);
    }
}

/// By then a list is away for reasons of its own.
const MAX_HASTE: Duration = Duration::from_secs(16);
/// Between tests that were answered.
const INTERVAL: Duration = Duration::from_secs(3600);
/// A name server that starts beside this program answers soon.
const MIN_PAUSE: Duration = Duration::from_secs(2);
/// As long as a list is skipped after errors.
const MAX_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_until_all_have_answered() {
        let mut schedule = Schedule::default();
        let mut now = Instant::now();
        assert!(schedule.take(now) && !schedule.take(now), "one tests");
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            schedule.tested(false, now);
            now += Duration::from_secs(seconds - 1);
            assert!(!schedule.take(now), "{seconds}");
            now += Duration::from_secs(1);
            assert!(schedule.take(now), "{seconds}");
        }
        schedule.tested(true, now);
        assert!(!schedule.take(now + Duration::from_secs(3599)));
        now += Duration::from_secs(3600);
        assert!(schedule.take(now));
        schedule.tested(false, now);
        assert!(
            schedule.take(now + Duration::from_secs(2)),
            "from the beginning"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_test_that_is_hastened_is_awaited_until_it_is_over() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        assert!(schedule.take(now));
        schedule.tested(true, now);
        assert!(!schedule.is_awaited(now));
        for answers in [&[true][..], &[false, false, true], &[false; 4]] {
            schedule.hasten();
            let mut now = now;
            for answer in answers {
                assert!(schedule.is_awaited(now) && schedule.take(now) && schedule.is_awaited(now));
                schedule.tested(*answer, now);
                now += Duration::from_secs(8);
            }
            assert!(
                !schedule.is_awaited(now) && !schedule.take(now),
                "{answers:?}"
            );
        }
    }
}
