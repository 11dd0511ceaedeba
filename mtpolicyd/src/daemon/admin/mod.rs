//! The admin listener shows the metrics, and the tables of the page. Labels are names of the configuration and words of this
//! program.

mod collector;
pub(super) use collector::MtpolicydMetrics;

mod status;
