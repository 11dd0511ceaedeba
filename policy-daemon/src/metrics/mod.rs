//! Metrics that cost a request next to nothing: each worker counts for itself, with plain stores that no other thread waits
//! for, and the [admin](crate::admin) listener adds up what they have counted when somebody asks.
//!
//! Labels are names of a configuration and words of a program, never what a client sends: so no peer can make their
//! number grow.

#[cfg(feature = "requests")]
mod action_class;
#[cfg(feature = "requests")]
pub use action_class::ActionClass;

mod counter;
pub use counter::Counter;

#[cfg(feature = "dns")]
pub mod dns;

mod durations;
pub use durations::Durations;

mod families;
pub use families::Families;

mod histogram;
pub use histogram::Histogram;

#[cfg(feature = "requests")]
mod requests;
#[cfg(feature = "requests")]
pub use requests::RequestMetrics;

pub(crate) mod sample;
pub(crate) mod section;

mod values;
pub use values::Values;

pub use prometheus_client::registry::Unit;
