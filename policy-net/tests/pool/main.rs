//! Connections that are kept: which one is used next, which one never again.

#[path = "../support/mod.rs"]
mod support;

mod age;
mod blank_line;
mod client;
mod places;
mod reuse;

use std::sync::Arc;

use policy_net::{Lease, Pool, PoolOptions};

use support::{Server, mark_of, request, s};

async fn opened(pool: &Arc<Pool<Server>>) -> Lease<Server> {
    let mut lease = pool.lease(s(1)).await.unwrap();
    lease.open(s(3)).await.unwrap();
    lease
}

async fn answered(lease: &mut Lease<Server>, mark: &str) {
    let request = request(mark);
    let answer = lease.ask(&request).await.unwrap();
    assert_eq!(answer.as_str(), Some(&mark_of(&request)[..]));
}

fn one_place() -> PoolOptions {
    let mut options = PoolOptions::default();
    options.max_connections = 1;
    options
}
