//! The headings of the options in the help text.

pub(super) const BOTH: &str = "Options of both modes";
pub(super) const DAEMON: &str = "Options of a daemon";
