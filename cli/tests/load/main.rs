//! Many connections at once through the daemon, with a service killed and a daemon ended in the
//! middle.

#[path = "../process/mod.rs"]
mod process;
#[path = "../support/mod.rs"]
mod support;

mod echo_server;
mod outage;
mod signals;
