//! The admin listener shows the metrics, and the tables of the page.

mod collector;
pub(crate) use collector::WeightMetrics;

mod status;
