//! `hapolicy --listen`, seen by its clients, by the services behind it, and in its log.

#[path = "../process/mod.rs"]
mod process;
#[path = "../support/mod.rs"]
mod support;

mod affinity;
mod answers;
mod clients;
mod connections;
mod lines;
mod log;
mod outage;
mod refused;
mod requests;
mod signals;
mod start;
mod time;

use support::stub::Stub;

fn service(name: &str, stub: &Stub, fields: &str) -> String {
    format!("{name}={}{fields}", stub.address())
}
