//! The errors of what took longer than it was given.

use std::{fmt, time::Duration};

/// What took so long that an attempt was given up.
///
/// ```
/// use policy_flow::TimedOut;
/// use std::time::Duration;
///
/// let name = TimedOut::LookUp("grey.example.net".into());
/// assert_eq!(name.to_string(), "looking up 'grey.example.net' timed out");
/// let answer = TimedOut::Answer { within: Duration::from_secs(5) };
/// assert_eq!(answer.to_string(), "no answer within 5s");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TimedOut {
    /// The system's resolver did not say the addresses of this name.
    LookUp(Box<str>),
    /// A connection was not accepted: to this address, where it is known.
    Connect(Option<Box<str>>),
    /// There was a connection, but no answer.
    Answer {
        /// How long the whole attempt might take, connecting included.
        within: Duration,
    },
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LookUp(name) => write!(f, "looking up '{name}' timed out"),
            Self::Connect(Some(address)) => write!(f, "connecting to {address} timed out"),
            Self::Connect(None) => write!(f, "connecting timed out"),
            Self::Answer { within } => {
                // What is left of a deadline is known to the nanosecond, which says nothing.
                let rounded =
                    Duration::from_millis((within.as_micros() as f64 / 1000.0).round() as u64);
                write!(f, "no answer within {rounded:?}")
            }
        }
    }
}

impl std::error::Error for TimedOut {}
