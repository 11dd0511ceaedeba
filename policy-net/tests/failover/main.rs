//! Failover on a clock that only moves when everyone waits: what each failure costs, to the
//! millisecond, and who is blamed for it.

#[path = "../support/mod.rs"]
mod support;

mod allowed;
mod choice;
mod cost;
mod events;
mod own_answer;
mod places;

use policy_ha::{Backend, BackendId, Balancer, Config};
use policy_net::Upstream;

use support::{Server, ask};

async fn ask_ok(upstream: &Upstream<Server>, mark: impl std::fmt::Display) -> usize {
    ask(upstream, mark).await.unwrap()
}

/// The balancer alone makes ids, the same ones everywhere.
fn id(index: usize) -> BackendId {
    let all = Balancer::new(Config::default(), [Backend::default(); 4]).unwrap();
    all.ids().nth(index).unwrap()
}
