//! The metrics of the proxy: what workers count.
//!
//! Each worker counts for itself. The thread of `--admin` adds up what they have counted. Labels are names of services and
//! groups and words of this program, so that no client and no mail can make their number grow.

mod failure;
mod group;
mod service;
mod totals;
mod worker;

pub(crate) use failure::Failure;
pub(crate) use group::{GroupMetrics, GroupTable};
pub(crate) use service::{ServiceMetrics, ServiceTable};
pub(crate) use totals::ServiceTotals;
pub(crate) use worker::WorkerMetrics;
