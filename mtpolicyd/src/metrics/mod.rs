//! The metrics: what is counted on the way of a request, and what is read when somebody asks.
//!
//! One worker serves all requests, and it alone counts. Labels are names of the configuration and words of this program.

mod collector;
pub(crate) use collector::MtpolicydMetrics;

mod counters;
pub(crate) use counters::{Counters, HostCounters, LimitCounters, PluginCounters};

mod process;
pub(crate) use process::ProcessCounters;

mod status;
