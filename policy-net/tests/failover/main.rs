//! Failover on a clock that only moves when everyone waits: what each failure costs, to the
//! millisecond, and who is blamed for it.

mod allowed;
mod choice;
mod cost;
mod events;
mod own_answer;
mod places;
mod session;

use policy_net::{Slot, Upstream};
use policy_testing::pipe::{Server, ask};

async fn ask_ok(upstream: &Upstream<Server>, mark: impl std::fmt::Display) -> usize {
    ask(upstream, mark).await.unwrap()
}

fn id(index: u32) -> Slot {
    Slot::from_index(index)
}
