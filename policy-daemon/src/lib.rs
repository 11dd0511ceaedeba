//! Everything that makes a process a good daemon: listeners, privileges, workers, restart without loss, readiness,
//! signals, and a log that never blocks.
//!
//! The crate knows no protocol beyond connections, and **no event loop**: a [`Worker`] is given its listeners and one
//! descriptor on which everything else arrives. A loop on mio is a worker, and so is a tokio runtime.
//!
//! # A daemon's life in five steps
//!
//! 1. **Prepare.** [`Daemon::prepare`] takes what needs the privileges and the surroundings of the start: sockets of a
//!    service manager, of the daemon before, or new ones. It opens the log. Dropping the result undoes everything.
//! 2. **Build.** [`Daemon::serve`] asks the [`Service`] for its workers, and starts their threads, which wait. All that can
//!    fail fails here.
//! 3. **Commit.** The daemon gives up its privileges, releases the daemon before it, and tells the service manager that it
//!    is ready. From here on nothing fails.
//! 4. **Serve.** Each worker accepts connections, asks [`WorkerContext::admit`] about them, and serves them. The main
//!    thread waits for signals. A thread waits for a successor that asks for the sockets (`--handover`).
//! 5. **Shut down.** A signal or a successor ends the daemon: workers are told to [drain](worker::Message::Drain).
//!    Connections between two requests [go](WorkerContext::hand_off) to the successor, or into the service manager's store;
//!    requests in progress have some seconds.
//!
//! ```text
//!  main thread ── prepare ── build ── commit ── signals, ticks ─────────── drain ── end
//!  workers                     └ wait ─────┴── accept, serve ───────────────┴── hand off, finish
//!  handover                    └ wait ─────┴── a successor asks: sockets, then connections
//! ```
//!
//! The [`admin`] listener shows metrics, health and a page of the state over HTTP, and the [`control`] socket takes
//! commands, both on threads of their own. [`metrics`] has the counters, and [`trace`] the story of single requests.
//!
//! # Features
//!
//! - `clap`: `command_line::usage_line`, an error of clap in one line.
//! - `tokio`: `TokioService`, a service of policy requests on tokio, with `policy-net`. See `examples/limited.rs`, a
//!   policy server with limits, privileges, logging and restart without loss in 40 lines.
//! - `dns`: `metrics::dns`, the metrics of DNS lists and of questions to DNS.
//! - `requests`: `metrics::RequestMetrics`, the metrics of policy requests by the class of their action. `tokio` has it.
//! - `tracing`: `log::TracingLayer` writes the events of libraries as lines of the log.
//!
//! Linux only: it uses eventfd(2), and the kernel's word on the maker of a socket.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod admin;
pub mod command_line;
pub mod control;
mod daemon;
mod error;
mod host;
mod listen;
pub mod log;
pub mod metrics;
mod options;
mod paths;
mod process;
mod service;
mod side;
#[cfg(feature = "tokio")]
mod tokio;
pub mod trace;
pub mod worker;

pub use daemon::{Daemon, Inherited};
pub use error::StartError;
pub use host::{LOOK_UP_TIME, look_up};
pub use listen::{
    address::{InvalidListenAddr, ListenAddr},
    socket::ListenSocket,
};
pub use options::{
    DaemonOptions, MAX_WORKERS, NextListeners, OptionNames, Reloaded, Reloading, StartFault,
};
pub use paths::FilePlace;
pub use process::{
    fd_passing,
    other::{has_ended, has_led_here},
    stdio::{is_same_socket, silence_stderr, stream_socket},
};
pub use service::{Service, Started, Worker};
#[cfg(feature = "tokio")]
pub use tokio::{CommandStep, TokioCommands, TokioService, TokioWorker};
pub use worker::WorkerContext;

#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
