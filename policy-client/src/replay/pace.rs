//! The pace of a replay: a request is asked when it was recorded, times a factor.

use std::time::Duration;

/// The pace of a replay.
#[derive(Debug)]
pub(super) struct Pace {
    /// How many times as fast as recorded; `None` is as fast as the answers come.
    factor: Option<f64>,
    /// The recorded time of the first request.
    first: Option<Duration>,
}

impl Pace {
    pub(super) const fn new(factor: Option<f64>) -> Self {
        Self {
            factor,
            first: None,
        }
    }

    /// The time from the beginning until this request; `None` where it is to be asked at once.
    pub(super) fn due(&mut self, time: Option<Duration>) -> Option<Duration> {
        let (factor, time) = (self.factor?, time?);
        let since = time.saturating_sub(*self.first.get_or_insert(time));
        Duration::try_from_secs_f64(since.as_secs_f64() / factor).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_due_at_its_recorded_distance_from_the_first_one() {
        for (factor, due) in [
            (Some(1.0), [Some(0.0), Some(2.0), Some(0.0), None]),
            (Some(4.0), [Some(0.0), Some(0.5), Some(0.0), None]),
            (Some(0.5), [Some(0.0), Some(4.0), Some(0.0), None]),
            (None, [None; 4]),
        ] {
            let mut pace = Pace::new(factor);
            let times = [Some(100.5), Some(102.5), Some(99.0), None];
            let times = times.map(|time| pace.due(time.map(Duration::from_secs_f64)));
            assert_eq!(times.map(|time| time.map(|time| time.as_secs_f64())), due);
        }
    }
}
