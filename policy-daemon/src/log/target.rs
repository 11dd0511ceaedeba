//! The places that a daemon's log can have, and their names.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// The place of a daemon's log.
///
/// ```
/// use policy_daemon::log::LogTarget;
///
/// assert_eq!("journal".parse(), Ok(LogTarget::Journal));
/// assert_eq!(LogTarget::Json.to_string(), "json");
/// assert!("file".parse::<LogTarget>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum LogTarget {
    /// The system's log, `/dev/log`.
    #[default]
    Syslog,
    /// systemd's journal, `/run/systemd/journal/socket`, with the fields of each entry.
    Journal,
    /// Standard output, which carries nothing else.
    Stdout,
    /// Standard output, with a JSON object in each line.
    Json,
}

impl LogTarget {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Syslog, "syslog"),
        (Self::Journal, "journal"),
        (Self::Stdout, "stdout"),
        (Self::Json, "json"),
    ];
}

impl fmt::Display for LogTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Self::ALL.iter();
        let name = names.find(|(target, _)| target == self);
        formatter.write_str(name.map_or("", |(_, name)| name))
    }
}

impl FromStr for LogTarget {
    type Err = UnknownLogTarget;

    fn from_str(text: &str) -> Result<Self, UnknownLogTarget> {
        let mut names = Self::ALL.iter();
        let known = names.find(|(_, name)| *name == text);
        known.map(|(target, _)| *target).ok_or(UnknownLogTarget)
    }
}

/// A word that names no place of a log.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("use one of syslog, journal, stdout, json")]
pub struct UnknownLogTarget;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_read_as_it_is_shown() {
        for (target, _) in LogTarget::ALL {
            assert_eq!(target.to_string().parse(), Ok(target));
        }
        assert_eq!("".parse::<LogTarget>(), Err(UnknownLogTarget));
    }
}
