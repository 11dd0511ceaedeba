//! The balancer of `hapolicy`, a failover proxy for Postfix policy servers, without its command line.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]

pub mod config;
pub mod daemon;
pub mod options;
pub mod spawn;

mod warnings;
pub use warnings::warnings;

mod admin;
mod blocking;
mod build;
mod control;
mod journal;
mod metrics;
mod mirror;
mod proxy;
