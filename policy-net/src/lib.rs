//! Postfix policy servers and clients on tokio.
//!
//! What they do is decided by the state machines of [`policy_flow`]: framing, limits and time-outs, failover, pools and
//! health. This crate drives them: it connects, reads, writes, and tells them the time.
//!
//! # A policy server in 20 lines
//!
//! ```no_run
//! use policy_net::{Listener, serve};
//! use policy_proto::{Action, Response, attr};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let listener = Listener::bind(&"inet:127.0.0.1:10031".parse()?).await?;
//!     let shutdown = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
//!     let handler = |request: policy_proto::Request| async move {
//!         let action = match request.get(attr::SENDER) {
//!             Some(sender) if sender.ends_with(b"@spam.example") => Action::Reject(b"not today"),
//!             _ => Action::Dunno,
//!         };
//!         Ok(Response::try_from(action)?)
//!     };
//!     serve(listener, handler, shutdown).await;
//!     Ok(())
//! }
//! ```
//!
//! # The parts
//!
//! | to | use |
//! | --- | --- |
//! | name a server | [`Endpoint`] |
//! | ask one server | [`Client`], over whatever [`Connect`] opens |
//! | ask several as one, with failover | [`Upstream`] |
//! | answer | [`serve`], [`serve_connection`]; [`accept`], [`Clients`] and [`Connection`] below them |
//!
//! # What holds everywhere
//!
//! Everything runs on any tokio runtime, also on a current-thread one, and needs its timer.
//! Dropping a future gives up what it was doing: connections in an unknown state are closed, never
//! reused, so that a late answer reaches nobody. Everything that a peer can grow or delay has a limit.
//!
//! These tasks are spawned: one for each connection of a server that is served, one for each connection of an
//! [`Upstream`], one for the timer of an [`Upstream`] and of [`Clients`] as long as they wait for something. A name is
//! looked up on a thread. None of the tasks outlives what it belongs to.
//!
//! Times are of tokio's clock, which tests can pause. A time that is too long for the clock, such
//! as [`Duration::MAX`](std::time::Duration::MAX), is for ever.
//!
//! What goes wrong with a peer is returned. Only what a server cannot return is logged, with
//! `tracing`: that it cannot accept, what ended a connection of [`serve`], and how many were cut
//! off at the end.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]

mod client;
mod few;
mod server;
mod slab;
mod socket;
mod timer;
mod upstream;

pub use client::Client;
pub use policy_flow::{
    Address, Answer, AttemptError, BackendConfig, Check, CheckError, ClientError, ClientOptions,
    Counts, Exhausted, HashKey, InvalidStrategy, Probe, Retry, Slot, Stick, Strategy, TimedOut,
    UpstreamOptions, attempt_limit,
};
pub use policy_socket::{Endpoint, InvalidEndpoint};
pub use server::{
    BoxError, Clients, Connection, ConnectionError, ServeOptions, accept, serve, serve_connection,
};
pub use socket::{Listener, Passed, Passer, Stream, UnixListener, UnixStream, close_apart};
pub use upstream::{Connect, Connector, Event, Upstream};
