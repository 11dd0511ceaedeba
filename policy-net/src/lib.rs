//! Postfix policy servers and clients on tokio.
//!
//! What they do is decided by the state machines of [`policy_flow`]: framing, limits and time-outs, failover, pools and
//! health. This crate drives them: it connects, reads, writes, and tells them the time.
//!
//! # A policy server in 15 lines
//!
//! ```no_run
//! use policy_net::{Listener, Request, Response, serve};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let listener = Listener::bind(&"inet:127.0.0.1:10031".parse()?).await?;
//!     let shutdown = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
//!     let handler = async |request: Request| match request.sender() {
//!         Some(sender) if sender.ends_with(b"@spam.example") => Ok(Response::reject("not today")?),
//!         _ => Ok(Response::dunno()),
//!     };
//!     serve(listener, handler, shutdown).await;
//!     Ok(())
//! }
//! ```
//!
//! Postfix asks it with this in `main.cf`, after `reject_unauth_destination`:
//!
//! ```text
//! smtpd_recipient_restrictions = reject_unauth_destination, check_policy_service inet:127.0.0.1:10031
//! ```
//!
//! # The parts
//!
//! | to | use |
//! | --- | --- |
//! | name a server | [`Endpoint`] |
//! | ask one server | [`Client`], over whatever [`Connect`] opens |
//! | ask several as one, with failover | [`Upstream`]; a message's requests together: [`Session`] |
//! | answer | [`serve`] and a [`Handler`]; [`serve_with`] limits, [`serve_each`] with state of each connection |
//! | answer over what is no socket, or in a test | [`serve_connection`] |
//! | have a loop of one's own | [`accept`], [`Clients`] and [`Connection`] |
//! | build and read requests and answers | [`policy_proto`], re-exported here; its [`protocol`](policy_proto::protocol) page tells the rules |
//!
//! Programs are in the folder `examples`.
//!
//! # What Postfix does with an error
//!
//! A server in trouble sends nothing and disconnects. Postfix then connects again after a second and repeats the request
//! **once** (`smtpd_policy_service_try_limit`, `smtpd_policy_service_retry_delay`). If that fails too, it replies with
//! `smtpd_policy_service_default_action`, by default `451 4.3.5 Server configuration problem`, and the mail client comes
//! back later. So a handler that counts requests, and then fails or is too late, counts one twice; and a request comes
//! twice as well where a server closes a connection just when Postfix writes to it. To count once, remember the
//! request's `instance` with its recipient.
//!
//! # What holds everywhere
//!
//! It runs on Unix only, on any tokio runtime, also on a current-thread one, and needs its timer.
//! Dropping a future gives up what it was doing: connections in an unknown state are closed, never
//! reused, so that a late answer reaches nobody. Everything that a peer can grow or delay has a limit.
//!
//! These are cancel safe, so that nothing is lost when they lose a `select!`: [`Listener::accept`],
//! [`Connection::request`], [`Connection::reply`], [`Connection::gone`], [`Client::settle`], [`Upstream::check`]. These
//! give something up when they are dropped: [`Client::ask`] and [`Connector::connect`] their connection,
//! [`Upstream::ask`] the request, [`serve_connection`] the connection with the request under way, [`serve`] and
//! [`accept`] all connections.
//!
//! These tasks are spawned: one for each connection of a server that is served, one for each connection of an
//! [`Upstream`], one for the timer of an [`Upstream`] and of [`Clients`] as long as they wait for something. A name is
//! looked up on a thread. None of the tasks outlives what it belongs to. One thing is left to be spawned by who wants it:
//! [`Upstream::check`], which looks at servers that are down. Without it each is tried by a request now and then.
//!
//! Times are of tokio's clock, which tests can pause. A time that is too long for the clock, such
//! as [`Duration::MAX`](std::time::Duration::MAX), has no end.
//!
//! What goes wrong with a peer is returned. Only what a server cannot return is logged, with
//! `tracing`:
//!
//! | what | level |
//! | --- | --- |
//! | a handler's error, deadline or panic, with peer and cause | `ERROR` |
//! | what a client sent instead of a request, or did not do in time, with peer and cause | `WARN` |
//! | that a server cannot accept; how many connections were cut off at the end; descriptors that a peer has sent | `WARN` |
//! | a client's connection that failed; what an upstream has learned of its servers | `DEBUG` |
//!
//! # Features and versions
//!
//! There are no features of its own: [`policy_proto`]'s `tokio-util`, on by default there, brings its codecs for
//! `Framed`. In public signatures are types of tokio (streams and listeners), `bytes`, [`policy_proto`], [`policy_ha`]
//! and [`policy_flow`]; the last four are re-exported.
//!
//! # What it does not do
//!
//! It speaks no TLS (any stream that does will do: `examples/tls.rs`), does not authenticate clients, and repeats no
//! request that was answered.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::panic))]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(unix))]
compile_error!("policy-net runs on Unix only");

mod client;
mod server;
mod slab;
mod small_list;
mod socket;
mod timer;
mod upstream;

pub use client::{Client, Connect, Connector};
pub use policy_flow::{
    Address, Answer, AttemptError, Check, CheckError, ClientError, ClientOptions, Counts, HashKey,
    InvalidStrategy, Probe, Retry, Slot, Stick, Strategy, TimedOut, UpstreamOptions, attempt_limit,
};
pub use policy_ha::{Backend, Config, ConfigError, Mode, Preference, Status, Transition};
pub use policy_proto::{Action, ActionSet, Limits, ProtocolState, Request, Response, attr};
pub use policy_socket::{Endpoint, InvalidEndpoint, close_apart};
pub use server::{
    BoxError, Clients, Connection, ConnectionError, Credentials, Drain, Handler, Peer,
    ServeOptions, accept, serve, serve_connection, serve_each, serve_with,
};
pub use socket::{AcceptSender, BindOptions, Listener, Stream, UnixListener, UnixStream};
pub use upstream::{Attempt, BackendConfig, Event, Exhausted, Session, Upstream};
pub use {bytes, policy_flow, policy_ha, policy_proto};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
