//! The memory of a client, and how it ages. Times are seconds since 1970.

use crate::config::CacheOptions;

/// A client that was rejected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spam {
    /// The score.
    pub rate: String,
    /// How many retries are left until the client is checked again.
    pub retries: i64,
    /// When the client came last.
    pub seen: i64,
    /// What the score was made of.
    pub reason: String,
}

/// A client that was accepted with a sender's domain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ham {
    /// The score.
    pub rate: String,
    /// How many requests without a question to DNS are left.
    pub uses: i64,
    /// When the client came last.
    pub seen: i64,
    /// When it was accepted.
    pub since: i64,
    /// When requests without a question to DNS have begun.
    pub hard_since: i64,
}

impl Spam {
    pub(super) fn new(rate: &str, reason: &str, options: &CacheOptions, now: i64) -> Self {
        Self {
            rate: rate.into(),
            retries: options.retries,
            seen: now,
            reason: reason.into(),
        }
    }

    /// Counts a retry. None if the client is to be checked again: the entry has ended.
    pub(super) fn ask(&mut self, options: &CacheOptions, now: i64) -> Option<i64> {
        let is_late = now.saturating_sub(self.seen) > options.retry_seconds;
        if is_late && self.retries <= 0 {
            return None;
        }
        if is_late {
            self.retries -= 1;
        }
        self.seen = now;
        Some(self.retries)
    }

    pub(super) fn encode(&self) -> String {
        format!(
            "{} {} {} {}",
            self.rate, self.retries, self.seen, self.reason
        )
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        let mut fields = text.splitn(4, ' ');
        Some(Self {
            rate: fields.next()?.into(),
            retries: fields.next()?.parse().ok()?,
            seen: fields.next()?.parse().ok()?,
            reason: fields.next().unwrap_or_default().into(),
        })
    }
}

impl Ham {
    pub(super) fn new(rate: &str, options: &CacheOptions, now: i64) -> Self {
        Self {
            rate: rate.into(),
            uses: options.hard_uses,
            seen: now,
            since: now,
            hard_since: now,
        }
    }

    /// Counts a request: whether it needs no question to DNS.
    pub(super) fn ask(&mut self, options: &CacheOptions, now: i64) -> bool {
        self.seen = now;
        if now.saturating_sub(self.since) <= options.soft_seconds {
            return false;
        }
        if self.uses > 0 && now.saturating_sub(self.hard_since) < options.hard_seconds {
            self.uses -= 1;
            return true;
        }
        self.uses = options.hard_uses;
        self.hard_since = now;
        false
    }

    pub(super) fn encode(&self) -> String {
        let Self {
            rate,
            uses,
            seen,
            since,
            hard_since,
        } = self;
        format!("{rate} {uses} {seen} {since} {hard_since}")
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        let mut fields = text.split(' ');
        let rate = fields.next()?.into();
        let mut number = || fields.next()?.parse().ok();
        Some(Self {
            rate,
            uses: number()?,
            seen: number()?,
            since: number()?,
            hard_since: number()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> CacheOptions {
        CacheOptions {
            retries: 2,
            retry_seconds: 30,
            hard_uses: 2,
            hard_seconds: 100,
            soft_seconds: 1000,
            ..CacheOptions::default()
        }
    }

    #[test]
    fn a_rejected_client_is_checked_again_after_its_retries() {
        let mut entry = Spam::new("3", "", &options(), 0);
        // Too early: each retry starts the time again.
        for (now, left) in [
            (0, Some(2)),
            (30, Some(2)),
            (60, Some(2)),
            (91, Some(1)),
            (121, Some(1)),
            (152, Some(0)),
            (182, Some(0)),
            (213, None),
        ] {
            assert_eq!(entry.ask(&options(), now), left, "{now}");
        }
    }

    #[test]
    fn an_accepted_client_needs_no_question_after_a_time() {
        let mut entry = Ham::new("-6.1", &options(), 0);
        for (now, is_hard) in [
            // The lists are asked for a time.
            (10, false),
            (1000, false),
            // The hard time has begun with the entry, and starts again.
            (1001, false),
            (1002, true),
            (1003, true),
            (1004, false),
            (1005, true),
            (1104, false),
            (1203, true),
        ] {
            assert_eq!(entry.ask(&options(), now), is_hard, "{now}");
        }
    }

    #[test]
    fn entries_are_read_as_they_were_written() {
        let spam = Spam {
            rate: "3".into(),
            retries: -1,
            seen: 7,
            reason: "IN_A=1 B=2".into(),
        };
        assert_eq!(Spam::decode(&spam.encode()), Some(spam));
        let ham = Ham {
            rate: "-6.1".into(),
            uses: 60,
            seen: 1,
            since: 2,
            hard_since: 3,
        };
        assert_eq!(Ham::decode(&ham.encode()), Some(ham));
        assert_eq!((Spam::decode("x"), Ham::decode("1 2 3 4")), (None, None));
    }
}
