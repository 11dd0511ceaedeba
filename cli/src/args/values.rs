//! Durations and paths, as they are read from a command line.

use std::{path::PathBuf, time::Duration};

use policy_daemon::command_line::parse_duration;
use policy_socket::Endpoint;

/// A duration that is longer than nothing.
pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        duration => Ok(duration),
    }
}

/// The path of a UNIX socket: `unix:/path`.
pub(super) fn unix_path(text: &str) -> Result<PathBuf, String> {
    match text.parse::<Endpoint>() {
        // As with --listen: it would be a file of that name.
        Ok(Endpoint::Unix(_)) if text.contains(",mode=") || text.contains(",owner=") => {
            Err("it takes no mode and no owner".to_owned())
        }
        Ok(Endpoint::Unix(path)) => Ok(path),
        Ok(_) => Err("not unix:/path".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
