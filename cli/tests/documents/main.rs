//! Nothing that a reader copies is untested: each block of README.md, `docs/` and the manual pages is run.
//!
//! The documents are followed in machines of their own (see `machine.sh`): this Debian, booted once more
//! with systemd, in which all that is written is lost at the end. As root, with the Debian packages postfix,
//! systemd, util-linux and iproute2, and the Perl script's, hapolicy.
#![allow(unreachable_pub, reason = "the modules of a test have no outside")]

use std::time::Duration;

mod block;
mod clone;
mod containers;
mod follow;
mod inline;
mod kinds;
mod links;
mod log_table;
mod machine;
mod options;
mod outage;
mod paths;
mod postfix;
mod start;
mod statuses;
mod uninstall;
mod units;

/// Bounds a failure; nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(60);
