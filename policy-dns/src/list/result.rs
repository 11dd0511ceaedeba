//! The result of asking a list.

use std::net::Ipv4Addr;

use thiserror::Error;

use super::Failing;
use crate::Outcome;

/// The result of asking a list.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ListResult {
    /// The subject is listed.
    Listed(Listed),
    /// The subject is not listed, or with a code that is in no class.
    NotListed,
    /// The list did not tell.
    Error(ListError),
    /// The list was not asked.
    Skipped(Skipped),
}

/// With what something is listed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Listed {
    pub(super) codes: Vec<Ipv4Addr>,
    pub(super) classes: Vec<usize>,
    pub(super) texts: Vec<Vec<u8>>,
}

impl Listed {
    /// The codes, in the order of the answer.
    #[must_use]
    pub fn codes(&self) -> &[Ipv4Addr] {
        &self.codes
    }

    /// The places in [`ListOptions::classes`](super::ListOptions::classes) of the classes that have such a code.
    pub fn classes(&self) -> impl Iterator<Item = usize> {
        self.classes.iter().copied()
    }

    /// The list's texts, if they were asked for: any bytes. A key is not in them.
    #[must_use]
    pub fn texts(&self) -> &[Vec<u8>] {
        &self.texts
    }
}

/// Why a list did not tell.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ListError {
    /// No answer, or a failure.
    #[error("{}", .0.code())]
    Dns(Outcome),
    /// A code by which the list says that it does not answer.
    #[error("the list does not answer us: {0}")]
    Blocked(Ipv4Addr),
    /// An address outside of 127.0.0.0/8, as of a domain that is parked. The list is skipped until it passes its
    /// test; one without a test as after other errors, since nothing else would bring it back.
    #[error("the answer {0} is no code")]
    Outside(Ipv4Addr),
}

/// Why a list was not asked.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Skipped {
    /// The list is for addresses and the subject a domain, or the other way round.
    #[error("the list is for others")]
    OtherKind,
    /// The list is known to be dead.
    #[error("the list is dead")]
    Dead,
    /// The list fails its test.
    #[error("{0}")]
    Failing(Failing),
    /// Too many errors in a row.
    #[error("too many errors in a row")]
    Errors,
}
