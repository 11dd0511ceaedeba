//! `--affinity`: the requests of one message go to the same server, or each goes its own way.

/// The affinity of requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Affinity {
    /// Each request is on its own.
    None,
    /// The requests of one message, by their `instance`, go to the server that answered the last.
    Message,
}

impl Affinity {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::None, Self::Message];

    /// The affinity for so many services, where nothing else is said.
    #[must_use]
    pub const fn of_count(services: usize, is_daemon: bool) -> Self {
        match services {
            // It has all the requests of a message anyway: they need not be searched for its name.
            2.. if is_daemon => Self::Message,
            _ => Self::None,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Message => "message",
        }
    }
}
