//! The metrics, which are read when somebody asks. Labels are names of the configuration and words of this program.

mod collector;
pub(super) use collector::MtpolicydMetrics;

mod status;
