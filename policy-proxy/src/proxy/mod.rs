//! The driver of the state machine on mio: sockets, the clock, look-ups, and what is logged.
//!
//! All that decides about a request is in [`policy_flow`]; here is what it takes to do it.
//!
//! ```text
//!               EventLoop (one a worker)                Stdio (the drop-in)
//!  system ──▶ wait, read, accept, connect ◀── Inbox      wait, read, connect
//!                        │                                      │
//!                        ▼                                      ▼
//!                    FlowIo: what has come over the connections to backends
//!                        │
//!                        ▼
//!                      Flow ──▶ Driver: clients' side, Links, Journal
//! ```
//!
//! What has come from backends is reported before what has come from clients, and that before listeners: what is under
//! way ends before more begins. Time-outs come last: see [`FlowIo::tick`](flow_io::FlowIo).

mod accept;
mod askable;
mod backends;
mod clients;
mod current;
mod driver;
mod event_loop;
mod exchange;
mod failure;
mod flow_io;
mod links;
mod listeners;
mod message;
mod renew;
mod resolver;
mod settings;
mod socket;
mod stdio;

pub(crate) use backends::Backends;
pub(crate) use current::CurrentProxy;
pub(crate) use event_loop::EventLoop;
pub(crate) use exchange::Exchange;
pub(crate) use message::Message;
pub(crate) use resolver::Resolver;
pub(crate) use settings::Proxy;
pub(crate) use settings::{GroupSettings, Settings};
pub(crate) use stdio::serve_stdio;

#[cfg(test)]
pub(crate) mod tests;
