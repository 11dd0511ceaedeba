//! Connections that are kept: which one is used next, which one never again.

#[path = "../support/mod.rs"]
mod support;

mod age;
mod blank_line;
mod client;
mod places;
mod reuse;
