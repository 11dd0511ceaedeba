//! The workers of a daemon: threads that serve connections, each with an event loop of its own choice.
//!
//! ```text
//!  listening sockets ──▶ worker 0 ◀── inbox ──┐
//!         │                                   ├── main thread: drain, shut down
//!         └────────────▶ worker 1 ◀── inbox ──┘   handover: connections of the daemon before
//!                           │                     other workers: connections, messages of the service
//!                           └──▶ connections between two requests, at the end: to the next process
//! ```

mod admission;
mod context;
mod handoff;
mod inbox;
mod listener;
mod max_clients;
mod shared;
pub(crate) mod standby;
mod workers;

pub use admission::Origin;
pub use context::WorkerContext;
pub use inbox::{Inbox, MadeBy, Message, Transfer};
pub use listener::Listener;
pub use max_clients::MaxClients;
pub use workers::Workers;

pub(crate) use shared::Shared;
