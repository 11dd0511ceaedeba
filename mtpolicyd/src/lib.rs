//! A modular policy server for Postfix: a drop-in for mtpolicyd 2.05.
//!
//! A configuration names virtual hosts, each with a chain of [plugins](plugin). A request runs through the chain of its virtual
//! host until a plugin answers; what plugins find out about a mail is in its [`Session`], where later plugins and later requests
//! about the mail find it.
//!
//! The parts, from the inside out: [`connection`] leads to stores and databases, [`session`] keeps sessions, [`chain`] runs
//! plugins, [`config_general`] reads the file's grammar, [`config`] its meaning, [`load`] gives that the plugins, [`daemon`]
//! serves.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]

pub mod args;
pub mod chain;
pub mod config;
pub mod config_general;
pub mod connection;
mod counters;
pub mod daemon;
mod error;
pub mod journal;
pub mod load;
mod plugins;
mod process_name;
pub mod services;
pub mod session;

pub use chain::plugin::{self, Outcome, Plugin, Step};
pub use chain::{Call, Chain};
pub use error::PluginError;
pub use services::Services;
pub use session::Session;
