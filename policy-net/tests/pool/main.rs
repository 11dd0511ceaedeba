//! Connections that are kept: which one is used next, which one never again.

mod age;
mod blank_line;
mod client;
mod places;
mod reuse;
