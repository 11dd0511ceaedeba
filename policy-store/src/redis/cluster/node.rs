//! A node of a cluster: one server with its connection and its breaker.

use std::sync::Arc;

use redis::{FromRedisValue, RedisConnectionInfo, Value, cmd};

use super::ranges::{Range, read};
use crate::{
    RemoteOptions, StoreError,
    address::Address,
    guard::Guard,
    redis::{
        job::{Job, Reply},
        link::Link,
    },
};

#[derive(Debug)]
pub(super) struct Node {
    pub(super) address: Address,
    pub(super) guard: Arc<Guard>,
    link: Arc<Link>,
}

impl Node {
    pub(super) fn new(
        address: Address,
        login: &RedisConnectionInfo,
        remote: &RemoteOptions,
    ) -> Arc<Self> {
        let link = Arc::new(Link::to(address.clone(), login.clone(), remote.deadline));
        let for_probe = link.clone();
        let probe = move || {
            let link = for_probe.clone();
            Box::pin(async move { serves(&link).await }) as _
        };
        let name = format!("redis {address}");
        let guard = Guard::new(name, remote.clone(), Box::new(probe));
        Arc::new(Self {
            address,
            guard,
            link,
        })
    }

    pub(super) async fn run<T: FromRedisValue>(
        &self,
        job: Job<'_>,
        asking: bool,
    ) -> Result<Reply<T>, StoreError> {
        self.guard.call(self.link.ask_node(job, asking)).await
    }

    /// Which node has which slots, as this one sees it. One that does not see most of the others is not believed: it may
    /// have missed that another one has taken its place.
    pub(super) async fn slots(&self) -> Result<Vec<Range>, StoreError> {
        let mut question = cmd("CLUSTER");
        question.arg("SLOTS");
        let slots = async {
            serves(&self.link).await?;
            let answer: Value = self.link.ask(Job::command(&question)).await?;
            read(answer, &self.address)
        };
        self.guard.inquire(slots).await
    }
}

/// A node that sees less than most of the others answers, but refuses what it is asked for.
async fn serves(link: &Link) -> Result<(), StoreError> {
    let mut question = cmd("CLUSTER");
    question.arg("INFO");
    let info: String = link.ask(Job::command(&question)).await?;
    if info.contains("cluster_state:fail") {
        return Err(StoreError::NotServing(
            "for this node, the cluster is down".into(),
        ));
    }
    Ok(())
}
