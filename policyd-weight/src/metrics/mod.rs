//! The metrics: what is counted on the way of a request, and what is read when somebody asks.

mod collector;
pub(crate) use collector::WeightMetrics;

mod status;
