//! Options on how a daemon ends, and on the daemon after it.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use policy_daemon::command_line::parse_duration;

use super::{DAEMON, values::unix_path};

/// The part of [`Arguments`](crate::args::Arguments) on how a daemon ends, and on the daemon after it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = DAEMON)]
#[non_exhaustive]
pub struct ShutdownArgs {
    /// How long requests under way may take once a daemon is to end
    ///
    /// That is below the time after which a service manager kills. A request that takes longer is cut off.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub drain: Duration,
    /// Where a daemon hands its sockets and connections to the next one, which gives the same path [default: none]
    ///
    /// The daemon takes over the listening sockets and the connections of the daemon that listens there, if there is
    /// one, and hands over its own to the next one that asks. Clients notice nothing, unless a request takes longer
    /// than `--drain`. If a daemon fails to start, the one before it goes on. A daemon before it that does not answer
    /// is waited for for 3 seconds, and a successor has 30 seconds to get ready. A daemon that root has started hands
    /// over to one that root has started only. Others must not be able to write to a directory on the way to the
    /// socket.
    #[arg(long, value_name = "unix:/PATH", value_parser = unix_path)]
    pub handover: Option<PathBuf>,
}

impl Default for ShutdownArgs {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(30),
            handover: None,
        }
    }
}
