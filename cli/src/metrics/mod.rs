//! The metrics of the proxy: what workers count, and what is read when somebody asks.
//!
//! Each worker counts for itself. The thread of `--admin` adds up what they have counted. Labels are names of services and
//! groups and words of this program, so that no client and no mail can make their number grow.

mod collector;
mod failure;
mod group;
mod permits;
mod reloads;
mod service;
mod status;
mod totals;
mod worker;

pub(crate) use collector::ProxyMetrics;
pub(crate) use group::{GroupMetrics, GroupTable};
pub(crate) use reloads::Reloads;
pub(crate) use service::{ServiceMetrics, ServiceTable};
pub(crate) use totals::ServiceTotals;
pub(crate) use worker::WorkerMetrics;
