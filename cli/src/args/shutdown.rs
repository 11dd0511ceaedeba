//! Options on how a daemon ends, and who comes after it.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use policy_socket::Endpoint;

use crate::args::parse_duration;

/// How a daemon ends, and who comes after it: a part of [`Options`](crate::args::Options).
#[derive(Args, Clone, Debug)]
#[non_exhaustive]
pub struct ShutdownArgs {
    /// How long requests under way may take once a daemon is to end
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub drain: Duration,
    /// Where a daemon hands its sockets and connections to the next one, which gives the same path
    #[arg(long, value_name = "unix:/PATH", value_parser = unix_path)]
    pub handover: Option<PathBuf>,
}

impl Default for ShutdownArgs {
    /// What holds without any option; a test compares it with clap's.
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(30),
            handover: None,
        }
    }
}

fn unix_path(text: &str) -> Result<PathBuf, String> {
    match text.parse::<Endpoint>() {
        Ok(Endpoint::Unix(path)) => Ok(path),
        Ok(_) => Err("not unix:/path".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        shutdown: ShutdownArgs,
    }

    #[test]
    fn the_defaults_are_the_same_with_and_without_clap() {
        let parsed = Command::try_parse_from(["hapolicy"]).unwrap().shutdown;
        assert_eq!(
            format!("{parsed:?}"),
            format!("{:?}", ShutdownArgs::default())
        );
    }
}
