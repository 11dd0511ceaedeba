//! DNS for mail policy servers.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]

mod name;
pub use name::{Name, NameError};

mod resolver;
pub use resolver::{
    Answer, Data, Fault, Found, Outcome, Question, Record, RecordType, Resolver, Table, Until,
    ZoneError,
};
#[cfg(feature = "hickory")]
pub use resolver::{DecodeError, Decoded, DnsOptions, DnsResolver, ResolvConfError};

pub mod list;
pub mod spf;
