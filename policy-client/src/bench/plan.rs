//! The times at which requests are sent: each as soon as the one before is answered, or at a constant rate whatever the
//! answers do.

use std::time::{Duration, Instant};

/// How long it goes on, after the warm-up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    Time(Duration),
    Count(u64),
}

#[derive(Debug)]
pub(crate) struct Plan {
    begin: Instant,
    /// Requests a second of an open loop; none in a closed one.
    rate: Option<f64>,
    warm_up: Duration,
    limit: Limit,
    /// Sums of these, for a question that each request asks.
    measured_from: Instant,
    end: Option<Instant>,
    /// How many have been taken, and how many of them after the warm-up.
    taken: u64,
    measured: u64,
}

/// The next request of a plan.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    /// It is to be sent now, or should have been; its latency counts from `planned`.
    Due {
        planned: Instant,
        is_measured: bool,
    },
    At(Instant),
    Over,
}

impl Plan {
    pub(crate) fn new(begin: Instant, rate: Option<f64>, warm_up: Duration, limit: Limit) -> Self {
        let measured_from = begin + warm_up;
        Self {
            begin,
            rate,
            warm_up,
            limit,
            measured_from,
            end: match limit {
                Limit::Time(time) => Some(measured_from + time),
                Limit::Count(_) => None,
            },
            taken: 0,
            measured: 0,
        }
    }

    pub(crate) const fn begin(&self) -> Instant {
        self.begin
    }

    /// The part that is done, from 0 to 1.
    pub(crate) fn done(&self, now: Instant) -> Option<f64> {
        let done = match self.limit {
            Limit::Time(time) => {
                let all = self.warm_up + time;
                let done = now.saturating_duration_since(self.begin);
                done.as_secs_f64() / all.as_secs_f64()
            }
            Limit::Count(count) => self.measured as f64 / count as f64,
        };
        done.is_finite().then_some(done.min(1.0))
    }

    /// When the measurement begins.
    pub(crate) const fn measured_from(&self) -> Instant {
        self.measured_from
    }

    /// When it is over, where that is known.
    pub(crate) const fn end(&self) -> Option<Instant> {
        self.end
    }

    /// When the measurement was over: at an interruption, else after its time and its last answer. What was waited for in
    /// vain after these is no part of it.
    pub(crate) fn ended(
        &self,
        last_answer: Option<Instant>,
        was_interrupted: bool,
        now: Instant,
    ) -> Instant {
        if was_interrupted {
            return now;
        }
        self.end().max(last_answer).unwrap_or(now).min(now)
    }

    pub(crate) fn next(&self, now: Instant) -> Turn {
        let planned = match self.rate {
            Some(rate) => self.begin + Duration::from_secs_f64(self.taken as f64 / rate),
            None => now,
        };
        let is_over = match self.limit {
            Limit::Time(_) => self.end().is_some_and(|end| planned >= end),
            Limit::Count(count) => self.measured >= count,
        };
        if is_over {
            Turn::Over
        } else if planned > now {
            Turn::At(planned)
        } else {
            let is_measured = planned >= self.measured_from();
            Turn::Due {
                planned,
                is_measured,
            }
        }
    }

    /// The request that was due is sent.
    pub(crate) fn take(&mut self, is_measured: bool) {
        self.taken += 1;
        self.measured += u64::from(is_measured);
    }

    /// How many requests of the measurement have not been sent when all is over.
    pub(crate) fn unsent(&self) -> u64 {
        let planned = |rate: f64, time: Duration| (rate * time.as_secs_f64()).ceil() as u64;
        match (self.rate, self.limit) {
            (None, _) => 0,
            (Some(rate), Limit::Time(time)) => {
                let before = self.taken.max(planned(rate, self.warm_up));
                planned(rate, self.warm_up + time).saturating_sub(before)
            }
            (Some(_), Limit::Count(count)) => count.saturating_sub(self.measured),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_open_loop_keeps_to_its_times_however_late_it_is_asked() {
        let begin = Instant::now();
        let mut plan = Plan::new(begin, Some(4.0), SECOND, Limit::Time(SECOND));
        assert_eq!(plan.next(begin), due(begin, false));
        plan.take(false);
        let second = begin + SECOND / 4;
        assert_eq!(plan.next(begin), Turn::At(second));
        // It stood still for ten seconds.
        let late = begin + 10 * SECOND;
        for number in 1..8 {
            let planned = begin + number * SECOND / 4;
            let is_measured = number >= 4;
            assert_eq!(plan.unsent(), u64::from(8 - number.max(4)));
            assert_eq!(plan.next(late), due(planned, is_measured), "{number}");
            plan.take(is_measured);
        }
        assert_eq!((plan.next(late), plan.unsent()), (Turn::Over, 0));
    }

    #[test]
    fn a_closed_loop_is_always_due_until_its_time_or_count_is_over() {
        let begin = Instant::now();
        let plan = Plan::new(begin, None, SECOND, Limit::Time(SECOND));
        for (after, turn) in [
            (Duration::ZERO, Some(false)),
            (SECOND, Some(true)),
            (2 * SECOND, None),
        ] {
            let now = begin + after;
            let turn = turn.map_or(Turn::Over, |is_measured| due(now, is_measured));
            assert_eq!(plan.next(now), turn);
        }
        let mut plan = Plan::new(begin, None, Duration::ZERO, Limit::Count(2));
        for _ in 0..2 {
            assert_eq!(plan.next(begin), due(begin, true));
            plan.take(true);
        }
        assert_eq!((plan.next(begin), plan.unsent()), (Turn::Over, 0));
    }

    #[test]
    fn a_measurement_lasts_to_an_interruption_or_to_its_last_answer() {
        let begin = Instant::now();
        let at = |seconds: u32| begin + seconds * SECOND;
        for (limit, last_answer, was_interrupted, ended) in [
            (Limit::Count(9), Some(2), false, 2),
            (Limit::Count(9), None, false, 9),
            // A server that has stopped answering has answered fewer a second.
            (Limit::Count(9), Some(2), true, 9),
            (Limit::Time(5 * SECOND), Some(2), false, 5),
            (Limit::Time(5 * SECOND), Some(6), false, 6),
            (Limit::Time(20 * SECOND), Some(2), true, 9),
        ] {
            let plan = Plan::new(begin, None, Duration::ZERO, limit);
            let got = plan.ended(last_answer.map(at), was_interrupted, at(9));
            assert_eq!(
                got,
                at(ended),
                "{limit:?} {last_answer:?} {was_interrupted}"
            );
        }
    }

    fn due(planned: Instant, is_measured: bool) -> Turn {
        Turn::Due {
            planned,
            is_measured,
        }
    }
}
