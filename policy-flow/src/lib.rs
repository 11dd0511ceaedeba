//! The way of a Postfix policy request through a failover proxy, as a state machine.
//!
//! There is no I/O in here, no clock, no chance and no thread: what happens goes in, what is to be done comes out. A
//! driver does the rest: `hapolicy` has one on mio, with one loop for each worker, and `policy-net` one on tokio. Since
//! nothing else has a say, the whole of it can be simulated, thousands of worlds a second, with servers that hang, lie
//! and die.
//!
//! # The way of a request
//!
//! ```text
//!  driver                     policy-flow                                        driver
//!  client_data ──▶ Clients: framing, limits, time-outs
//!                     │ request
//!                     ▼
//!                  Flow: affinity, default action
//!                     │ ask
//!                     ▼
//!                  Upstream: who, how long, which connection ──▶ connect, send
//!                     ▲                                              │
//!  link_data ─────────┘ answer, or the next attempt ◀────────────────┘
//!                     │ done
//!                     ▼
//!                  Clients: reply ──▶ send_client
//! ```
//!
//! # The parts
//!
//! | to | use |
//! | --- | --- |
//! | proxy requests | [`Flow`], and [`Routing`] where some go elsewhere |
//! | ask several backends as one | [`Upstream`] |
//! | answer requests oneself | [`Clients`] |
//! | do what they say | [`ClientDriver`], [`BackendDriver`] |
//! | share health and limits among the workers of a process | [`Shared`], [`Places`] |
//!
//! # What holds everywhere
//!
//! Numbers are given by the machine ([`ClientId`], [`LinkId`]); a driver keeps its sockets under them. All that happens
//! between two calls of `set_now` happens at one moment. A driver reports all that it has heard before it calls `tick`,
//! which does what time brings: so data that came in time counts, however late the driver is. Nothing that a driver
//! does may call back into the machine.
//!
//! Whatever a peer sends, nothing panics and nothing grows without a limit.

mod arena;
mod clients;
mod clock;
mod driver;
mod flow;
mod foreign;
mod id;
mod message;
mod slab;
mod timers;
mod upstream;

pub use clients::{
    ClientError, ClientEvent, ClientOptions, ClientTimes, Clients, Peer, PlaceLimits, Places,
    Refusal, RequestMemory, Waiting,
};
pub use driver::{Address, BackendDriver, ClientDriver, Connecting, Driver, Failure, Sent};
pub use flow::{Flow, FlowOptions, GroupRules, ListenerRules, Route, Routing, Unanswered};
pub use id::{AskId, ClientId, LinkId, Slot};
pub use upstream::{
    Answer, AttemptError, BackendConfig, BackendGroup, Check, CheckError, Counts, Done, Event,
    Exhausted, HashKey, InvalidStrategy, MAX_WORKERS, Probe, Retry, Shared, Stick, Strategy,
    TimedOut, Upstream, UpstreamOptions, attempt_limit,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
