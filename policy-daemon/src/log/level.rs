//! The levels of log lines.

/// The weight of a line: the levels of syslog that are used here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Level {
    /// The process does not start.
    Fatal = 2,
    /// Mail is not being checked.
    Error = 3,
    /// A server, or a setting, is not as it should be.
    Warning = 4,
    /// A client has sent something wrong.
    Notice = 5,
    /// Normal operation.
    Info = 6,
}

impl Level {
    /// The name in the lines on standard output.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
        }
    }

    /// The beginning of a daemon's text, as in Postfix's own: log analysers look for it.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Fatal => "fatal: ",
            Self::Error => "error: ",
            Self::Warning => "warning: ",
            Self::Notice | Self::Info => "",
        }
    }
}
