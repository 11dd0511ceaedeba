//! `hapolicy --listen`, seen by its clients, by the services behind it, and in its log.

mod admin;
mod affinity;
mod answers;
mod clients;
mod connections;
mod control;
mod fields;
mod groups;
mod lines;
mod listen;
mod log;
mod metrics;
mod mirror;
mod outage;
mod refused;
mod reload;
mod requests;
mod signals;
mod start;
mod stop;
mod time;
mod trace;

use policy_testing::stub::Stub;

fn service(name: &str, stub: &Stub, fields: &str) -> String {
    format!("{name}={}{fields}", stub.address())
}
