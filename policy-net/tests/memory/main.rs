//! A budget for memory: beyond it new requests wait, each for a time, and nothing is lost.

#[path = "../support/mod.rs"]
mod support;
mod world;

mod answers;
mod model;
mod requests;
mod services;
mod time;

/// The size of a budget for one large request and one large answer with the default limits.
const SMALL: usize = policy_net::MemoryBudget::MIN;
