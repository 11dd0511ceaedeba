//! Parts of a command line that all programs have in common: how a duration is written, and an error in one line.

mod duration;
pub use duration::parse_duration;
pub(crate) use duration::parse_duration_to;

#[cfg(feature = "clap")]
mod usage;
#[cfg(feature = "clap")]
pub use usage::usage_line;
