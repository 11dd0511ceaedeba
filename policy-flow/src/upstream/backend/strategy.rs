//! The choice among the backends of one priority.

use std::{fmt, str::FromStr};

use policy_proto::Request;
use thiserror::Error;

use crate::HashKey;

/// Who is asked among the backends of one priority that are up.
///
/// As text: `round-robin`, `least-loaded`, `hash:ATTRIBUTE[,ATTRIBUTE...]`.
///
/// ```
/// use policy_flow::{Strategy, UpstreamOptions};
///
/// let mut options = UpstreamOptions::default();
/// assert_eq!(options.strategy, Strategy::RoundRobin);
/// options.strategy = "hash:client_address,sender,recipient".parse()?;
/// assert_eq!(options.strategy.to_string(), "hash:client_address,sender,recipient");
/// assert!("hash:".parse::<Strategy>().is_err());
/// # Ok::<(), policy_flow::InvalidStrategy>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Strategy {
    /// Smooth weighted round robin, the default: exact, without bursts, and right for servers that
    /// are alike and keep their state in one place or have none.
    #[default]
    RoundRobin,
    /// The one with the fewest connections in use for its weight. These are counted by this
    /// [`Upstream`](crate::Upstream) and not told by the server, so that it sees its own requests
    /// only. It suits servers whose answers take long, and differently long.
    LeastLoaded,
    /// By the values of attributes: the same ones go to the same server, for as long as that is up.
    /// It suits servers that keep what they have learned to themselves.
    ///
    /// A request sticks to who answered the last one of its message if both have the same key, or
    /// if it has none. So after a failover the new server keeps the rest of the message, but
    /// recipients that are part of the key go each where they belong.
    Hash(HashKey),
}

/// Why a text is no [`Strategy`].
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum InvalidStrategy {
    /// It is none of the strategies.
    #[error("none of round-robin, least-loaded, hash:ATTRIBUTE[,ATTRIBUTE...]")]
    Strategy,
    /// What should be the name of an attribute is empty, longer than 64 bytes, or has something else
    /// than lower-case letters, digits, `_` and `-`.
    #[error("an attribute's name is made of lower-case letters, digits, _ and -")]
    Name,
    /// There are more than 16 attributes.
    #[error("more than 16 attributes")]
    TooMany,
}

impl Strategy {
    /// What the backend is chosen by, where that is a key and the request has one.
    pub(crate) fn key(&self, request: &Request) -> Option<u64> {
        match self {
            Self::Hash(attributes) => attributes.of(request),
            _ => None,
        }
    }
}

impl FromStr for Strategy {
    type Err = InvalidStrategy;

    fn from_str(text: &str) -> Result<Self, InvalidStrategy> {
        match text {
            "round-robin" => Ok(Self::RoundRobin),
            "least-loaded" => Ok(Self::LeastLoaded),
            _ => {
                let names = text
                    .strip_prefix("hash:")
                    .ok_or(InvalidStrategy::Strategy)?;
                HashKey::new(names.split(',')).map(Self::Hash)
            }
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoundRobin => f.write_str("round-robin"),
            Self::LeastLoaded => f.write_str("least-loaded"),
            Self::Hash(attributes) => write!(f, "hash:{attributes}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_is_written_as_it_is_read() {
        for text in [
            "round-robin",
            "least-loaded",
            "hash:sender",
            "hash:client_address,sender,recipient",
        ] {
            assert_eq!(text.parse::<Strategy>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_strategy_is_refused_with_a_reason() {
        let many = format!("hash:{}", ["a"; 17].join(","));
        for (text, error) in [
            ("", InvalidStrategy::Strategy),
            ("Round-Robin", InvalidStrategy::Strategy),
            ("hash", InvalidStrategy::Strategy),
            ("hash:", InvalidStrategy::Name),
            ("hash:sender,", InvalidStrategy::Name),
            ("hash:sender, recipient", InvalidStrategy::Name),
            ("hash:Sender", InvalidStrategy::Name),
            (&many, InvalidStrategy::TooMany),
        ] {
            assert_eq!(text.parse::<Strategy>(), Err(error), "{text}");
        }
    }
}
