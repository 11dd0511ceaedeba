//! Programs as processes, and peers that misbehave on demand, for tests and benchmarks.
//!
//! Each feature holds one kind, so that the tests of a crate build no more than they use: `process` for real programs on
//! real sockets, `pipe` for policy servers within the test, `servers` for real servers of stores, `dns` for a name server that
//! lies, `load` for many requests at once. Nothing here is for use outside of this repository, and anything may panic: a test
//! that cannot go on has failed.
#![allow(
    missing_docs,
    reason = "names say what most items do; the rest has a comment"
)]
#![allow(
    clippy::new_without_default,
    reason = "what `new` starts is no default value"
)]

#[cfg(feature = "process")]
pub mod admin;
#[cfg(feature = "process")]
pub mod faults;
mod free_port;
pub use free_port::{free_port, free_port_and_bus};

pub mod geoip;
#[cfg(feature = "process")]
pub mod handover;
#[cfg(feature = "load")]
pub mod load;
#[cfg(feature = "process")]
pub mod mail_system;
pub mod mmdb;
#[cfg(feature = "dns")]
mod name_server;
#[cfg(feature = "dns")]
pub use name_server::{Edns, NameServer};

#[cfg(feature = "pipe")]
pub mod pipe;
#[cfg(feature = "process")]
pub mod port;
#[cfg(feature = "process")]
pub mod process;
#[cfg(feature = "process")]
pub mod server;
#[cfg(feature = "servers")]
pub mod servers;
#[cfg(feature = "process")]
pub mod stub;

mod own_address;
pub use own_address::own_address;

mod reserved;
mod wait;
pub use wait::{eventually, within};

#[cfg(feature = "process")]
mod world;
#[cfg(feature = "process")]
pub use world::World;
