//! The balancer of `hapolicy`, a failover proxy for Postfix policy servers, without its command line.
//!
//! It is the inner library of that program: it changes with the program, and promises nothing to others. What can be used
//! elsewhere is in crates of its own: the decisions about a request in [`policy_flow`], the life of a process in
//! [`policy_daemon`]. Here the two meet: an event loop on mio does what the state machine says, and the daemon runs it.
//!
//! # How a daemon is built of it
//!
//! 1. **Options.** A command line or a configuration file becomes [`Options`](options::Options), plain values with their
//!    defaults. Nothing in here knows arguments; [`config`] reads a file for a command that is described to it.
//! 2. **Services.** [`Services::parse`](options::Services::parse) reads what is to be asked, and collects what is wrong.
//!    [`warnings()`] says what is probably not meant.
//! 3. **The run.** [`daemon::run`] serves any number of connections until it is told to end, and reads the configuration
//!    file again where it is told to. [`spawn::run`] serves the one of standard input and output.
//!
//! ```
//! use policy_proxy::{
//!     options::{DefaultAction, GroupOptions, Options, Services},
//!     warnings,
//! };
//!
//! let options = Options {
//!     is_daemon: true,
//!     services: ["a=127.0.0.1:10031", "b=127.0.0.1:10032:20", "c"].map(Into::into).to_vec(),
//!     common: GroupOptions {
//!         default: Some(DefaultAction::parse(b"OK")?),
//!         ..GroupOptions::default()
//!     },
//!     ..Options::default()
//! };
//! let services = Services::parse(&options);
//! assert_eq!(services.valid.len(), 2);
//! assert_eq!(services.valid[1].backend.priority, 20);
//! assert_eq!(services.invalid[0].text, b"invalid service 'c': the name is missing: NAME=ADDRESS");
//!
//! let found = warnings(&options, &services, &[], None);
//! assert!(found[0].starts_with(b"-d 'OK': while no server answers, all restrictions"));
//! # Ok::<(), policy_proto::InvalidResponse>(())
//! ```

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]

pub mod config;
pub mod daemon;
pub mod options;
pub mod spawn;

mod warnings;
pub use warnings::warnings;

mod admin;
mod blocking;
mod control;
mod journal;
mod metrics;
mod mirror;
mod proxy;
mod setup;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
