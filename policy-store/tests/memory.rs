//! The store in memory, on the paused clock.

mod suite;

use std::sync::Arc;

use policy_store::{MemoryOptions, MemoryStore};

use crate::suite::Tested;

async fn memory() -> (Tested, ()) {
    (Arc::new(MemoryStore::new(MemoryOptions::default())), ())
}

store_suite!(tokio::test(start_paused = true), memory);
