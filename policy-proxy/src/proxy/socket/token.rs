//! The sources of the system's events, as tokens.

use mio::Token;

/// The source of an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    /// A backend's connection.
    Link(usize),
    /// A client's.
    Client(usize),
    Listener(usize),
    Inbox,
}

/// The side of the proxy that a connection is on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    Clients,
    Backends,
}

impl Side {
    /// The token of the connection with this number. There are fewer of them than descriptors, whose numbers have 31
    /// bits.
    pub(crate) const fn token(self, index: usize) -> Token {
        Token(index << 2 | self as usize)
    }

    /// The number of the connection with this token, if it is on this side. A comparison, where [`Source::of`] is a
    /// jump through a table: after each switch between processes the processor guesses such a jump wrong.
    pub(crate) const fn index_of(self, token: Token) -> Option<usize> {
        if token.0 & 3 == self as usize {
            Some(token.0 >> 2)
        } else {
            None
        }
    }
}

impl Source {
    pub(crate) const fn of(token: Token) -> Self {
        let index = token.0 >> 2;
        match token.0 & 3 {
            0 => Self::Client(index),
            1 => Self::Link(index),
            2 => Self::Listener(index),
            _ => Self::Inbox,
        }
    }
}

/// The token of the listener with this index.
pub(crate) const fn listener(index: usize) -> Token {
    Token(index << 2 | 2)
}

/// The token of a worker's inbox.
pub(crate) const INBOX: Token = Token(3);
