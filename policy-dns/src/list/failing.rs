//! The reasons why a list is not trusted.

use std::net::Ipv4Addr;

use thiserror::Error;

/// Why a list is not trusted.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum Failing {
    /// The entry that has to be listed is not.
    #[error("the list has lost its test entry")]
    EntryMissing,
    /// An entry that must not be listed is.
    #[error("the list has what it must not have")]
    ListsAll,
    /// The list does not answer our questions.
    #[error("the list does not answer us: {0}")]
    Blocked(Ipv4Addr),
    /// An answer outside of 127.0.0.0/8.
    #[error("the answer {0} is no code")]
    Outside(Ipv4Addr),
}
