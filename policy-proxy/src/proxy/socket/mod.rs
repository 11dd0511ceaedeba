//! Sockets in an event loop: the system's events, what each is about, and connections.

mod calls;

mod connection;
pub(crate) use connection::{Connection, NewSocket, Read};

mod poller;
pub(crate) use poller::Poller;

mod table;
pub(crate) use table::Table;

mod token;
pub(crate) use token::{INBOX, Side, Source, listener};
