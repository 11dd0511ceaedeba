//! The kinds of failure of attempts in the metrics.

use policy_flow::AttemptError;

/// Why an attempt at a service failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    /// No connection could be opened.
    Connect,
    /// The connection was closed, or broke, before an answer.
    Closed,
    Timeout,
    /// What came is no answer, or none that the service may give.
    Invalid,
    /// All connections were in use, or were still being opened.
    Busy,
    /// This side could not ask: it has run out of something, or stood still.
    Local,
}

impl Failure {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 6] = [
        Self::Connect,
        Self::Closed,
        Self::Timeout,
        Self::Invalid,
        Self::Busy,
        Self::Local,
    ];

    pub(crate) const fn of(error: &AttemptError) -> Self {
        match error {
            AttemptError::Connect(_) => Self::Connect,
            AttemptError::Io(_) | AttemptError::Closed | AttemptError::ClosedLate => Self::Closed,
            AttemptError::TimedOut(_) => Self::Timeout,
            AttemptError::Invalid { .. } | AttemptError::NotAllowed { .. } => Self::Invalid,
            AttemptError::Busy | AttemptError::Opening => Self::Busy,
            _ => Self::Local,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Invalid => "invalid",
            Self::Busy => "busy",
            Self::Local => "local",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_numbers() {
        for (number, failure) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, number, "{failure:?}");
        }
    }
}
