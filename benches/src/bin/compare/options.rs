//! The command line.

use std::{fmt, path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};
use policy_benches::{endpoint::Endpoint, report::records};

/// Compares hapolicy with HAProxy, nginx, and the Perl script, in interleaved rounds.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    /// Measure only this. Repeatable [default: all]
    #[arg(long)]
    pub(crate) only: Vec<Part>,
    /// Connections at a time. Repeatable [default: 1, 16, 256 and 2000]
    #[arg(long, value_name = "N")]
    pub(crate) connections: Vec<usize>,
    /// All on one CPU, or each where the system puts it. Repeatable [default: both]
    #[arg(long)]
    pub(crate) place: Vec<Place>,
    /// Repeatable [default: both]
    #[arg(long)]
    pub(crate) transport: Vec<Transport>,
    /// Leave out all but these, by their names as printed, besides HAProxy. Repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) contestant: Vec<String>,
    /// Rounds of each
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// How long each is measured in a round
    #[arg(long, default_value_t = 1.0)]
    pub(crate) seconds: f64,
    /// Another hapolicy beside the one that was built with this. Repeatable
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) beside: Vec<PathBuf>,
    /// Write it to this directory too: a page, its tables as JSON, and a plot as SVG [default: it is
    /// only printed]
    #[arg(long, value_name = "DIR")]
    pub(crate) write: Option<PathBuf>,
    /// Write it to benches/record
    #[arg(long, conflicts_with = "write")]
    pub(crate) record: bool,
    #[command(subcommand)]
    pub(crate) alone: Option<Alone>,
}

/// A part of it by itself, to look at a proxy with other tools meanwhile: policy-client's `bench` is a load for it.
#[derive(Debug, Subcommand)]
pub(crate) enum Alone {
    /// Be the policy server that stands behind those that are compared
    Stub {
        /// inet:HOST:PORT or unix:/path. Repeatable
        #[arg(required = true)]
        endpoints: Vec<Endpoint>,
    },
}

/// What is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Part {
    /// Connections that stay, as Postfix keeps them.
    Kept,
    /// A new client connection per request, 16 at a time.
    New,
    /// System calls per request.
    Calls,
    /// Memory of idle connections, and what they cost the others.
    Idle,
}

/// On which CPUs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Place {
    /// Load, proxy and servers on one.
    Pinned,
    /// Wherever the system puts them.
    Unpinned,
}

/// Both from the client and to the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Transport {
    /// On loopback.
    Tcp,
    /// UNIX sockets.
    Unix,
}

impl Options {
    /// How long each is measured in a round.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Where it is to be written.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        self.write.clone().or_else(|| self.record.then(records))
    }

    /// Fills in what was not asked for.
    pub(crate) fn complete(mut self) -> Self {
        fill(&mut self.only, Part::value_variants());
        fill(&mut self.connections, &[1, 16, 256, 2000]);
        fill(&mut self.place, Place::value_variants());
        fill(&mut self.transport, Transport::value_variants());
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pinned => "all on one CPU",
            Self::Unpinned => "not pinned",
        })
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Unix => "UNIX sockets",
        })
    }
}

fn fill<T: Clone>(given: &mut Vec<T>, all: &[T]) {
    if given.is_empty() {
        given.extend_from_slice(all);
    }
}
