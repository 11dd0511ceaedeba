//! The clients that may be connected at once, and the cause of that limit.

use std::{fmt, num::NonZeroUsize};

use crate::{
    log::{Level, Log},
    options::MAX_CLIENTS_OPTION,
    process::fd::Capacity,
};

/// The clients that may be connected at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MaxClients {
    number: usize,
    /// The number that was asked for, if one was.
    requested: Option<NonZeroUsize>,
    /// The limit of descriptors, where that leaves room for no more.
    descriptors: Option<usize>,
    /// What the program calls the option, if it has one.
    option: Option<&'static str>,
}

impl MaxClients {
    /// The requested number, or that of a large site, as far as there is room.
    pub(crate) fn new(
        requested: Option<NonZeroUsize>,
        capacity: Capacity,
        option: Option<&'static str>,
    ) -> Self {
        let wanted = requested.map_or(MAX_CLIENTS, usize::from);
        let is_limited = capacity.clients < wanted;
        Self {
            number: wanted.min(capacity.clients),
            requested,
            descriptors: is_limited.then_some(capacity.limit),
            option,
        }
    }

    /// The number of clients.
    #[must_use]
    pub const fn number(self) -> usize {
        self.number
    }

    /// The cause of the limit, for the log: an option, or the limit of descriptors.
    #[must_use]
    pub fn cause(self) -> String {
        match self.descriptors {
            None => self
                .option
                .unwrap_or("no more are served at once")
                .to_owned(),
            Some(limit) => format!("the limit of {limit} descriptors leaves room for no more"),
        }
    }

    /// A warning that there are fewer than were requested.
    #[must_use]
    pub fn warning(self) -> Option<String> {
        let requested = self.requested.filter(|_| self.descriptors.is_some())?;
        let option = self.option.unwrap_or("max_clients");
        Some(format!("{option} {requested}: {self}"))
    }

    /// Logs at the start that there are fewer than there might be.
    pub(crate) fn announce(self, log: &Log) {
        match self.warning() {
            Some(text) => log.line(Level::Warning, text),
            None if self.descriptors.is_some() => log.line(Level::Notice, self.to_string()),
            None => {}
        }
    }
}

impl From<usize> for MaxClients {
    /// A limit that `--max-clients` sets.
    fn from(number: usize) -> Self {
        Self {
            number,
            requested: NonZeroUsize::new(number),
            descriptors: None,
            option: Some(MAX_CLIENTS_OPTION),
        }
    }
}

impl fmt::Display for MaxClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number;
        match (self.descriptors, self.option) {
            (None, Some(option)) => write!(f, "{number} clients are connected ({option})"),
            (None, None) => write!(f, "{number} clients are connected"),
            (Some(limit), _) => write!(
                f,
                "the limit of {limit} descriptors leaves room for {number} clients"
            ),
        }
    }
}

/// Postfix has a hundred connections by default, and some thousands where it is very large.
const MAX_CLIENTS: usize = 16_384;
