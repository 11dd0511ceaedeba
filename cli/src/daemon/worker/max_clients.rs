//! How many clients may be connected at once, and what sets that limit.

use std::fmt;

use crate::{
    args::ClientLimits,
    daemon::{
        log::{Level, Log},
        process::fd::Room,
    },
};

/// How many clients may be connected at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct MaxClients {
    pub(crate) number: usize,
    /// The limit of descriptors, where that is what leaves room for no more.
    descriptors: Option<usize>,
}

impl MaxClients {
    /// As many as were asked for, or as a large site needs, if there is room for them.
    pub(crate) fn new(limits: &ClientLimits, room: Room) -> Self {
        let asked = limits.max_clients.map_or(MOST_CLIENTS, usize::from);
        match room.clients < asked {
            true => Self {
                number: room.clients,
                descriptors: Some(room.limit),
            },
            false => asked.into(),
        }
    }

    /// What it is that lets no more of them in.
    pub(crate) fn cause(self) -> String {
        match self.descriptors {
            None => "--max-clients".to_owned(),
            Some(limit) => format!("the limit of {limit} descriptors leaves room for no more"),
        }
    }

    /// Says at the start that there are fewer than there might be.
    pub(crate) fn announce(self, limits: &ClientLimits, log: &Log) {
        match self.warning(limits) {
            Some(text) => log.line(Level::Warning, text),
            None if self.descriptors.is_some() => log.line(Level::Notice, self.to_string()),
            None => {}
        }
    }

    /// That there are fewer than were asked for.
    pub(crate) fn warning(self, limits: &ClientLimits) -> Option<String> {
        let asked = limits.max_clients.filter(|_| self.descriptors.is_some())?;
        Some(format!("--max-clients {asked}: {self}"))
    }
}

impl From<usize> for MaxClients {
    /// As `--max-clients` says.
    fn from(number: usize) -> Self {
        Self {
            number,
            descriptors: None,
        }
    }
}

impl fmt::Display for MaxClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number;
        match self.descriptors {
            None => write!(f, "{number} clients are connected (--max-clients)"),
            Some(limit) => {
                write!(
                    f,
                    "the limit of {limit} descriptors leaves room for {number} clients"
                )
            }
        }
    }
}

/// Postfix has a hundred connections by default, and some thousands where it is very large.
const MOST_CLIENTS: usize = 16_384;
