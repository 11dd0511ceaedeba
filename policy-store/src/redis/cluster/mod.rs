//! A cluster: many single servers, each with its breaker, and a map of the slots that they have.
//!
//! A call goes to the node that has its key's slot. A node that does not have it names the one that does, and is
//! believed; that, and a node that fails, have the map made again in the background.

mod map;
mod node;
mod ranges;
mod search;
mod slot;

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use redis::{FromRedisValue, RedisConnectionInfo};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

pub(super) use self::slot::{slot, tag};
use self::{
    map::Map,
    node::Node,
    ranges::redirected,
    search::{Pace, Progress},
};
use super::{
    RedisOptions,
    job::{Job, Reply},
    link::login,
    server::address,
};
use crate::{Breaker, RemoteOptions, StoreError, address::Address};

/// How many redirections are followed one after the other.
const MAX_REDIRECTIONS: u32 = 8;

/// How long a call waits for a slot's second key to arrive; twice as long each time.
const KEY_WAIT: Duration = Duration::from_millis(10);

pub(super) struct Cluster {
    /// Those that the configuration names.
    seeds: Vec<Arc<Node>>,
    /// A cluster has one database.
    login: RedisConnectionInfo,
    remote: RemoteOptions,
    progress: watch::Sender<Progress>,
    pace: Mutex<Pace>,
}

impl Cluster {
    pub(super) fn new(seeds: &[String], options: &RedisOptions) -> Result<Arc<Self>, StoreError> {
        if seeds.is_empty() {
            return Err(StoreError::Refused("no server".into()));
        }
        let login = login(options);
        let seed = |text: &String| Ok(Node::new(address(text)?, &login, &options.remote));
        let seeds: Result<_, StoreError> = seeds.iter().map(seed).collect();
        Ok(Arc::new(Self {
            seeds: seeds?,
            login,
            remote: options.remote.clone(),
            progress: watch::Sender::default(),
            pace: Mutex::default(),
        }))
    }

    /// Asks the node that has the slot.
    pub(super) async fn run<T: FromRedisValue>(
        self: &Arc<Self>,
        slot: u16,
        job: Job<'_>,
    ) -> Result<T, StoreError> {
        let begin = Instant::now();
        let known = self.known();
        let first = match known.as_ref().and_then(|map| map.owner(slot)) {
            // The node's own deadline is enough, where it has the slot.
            Some(node) => Some(match self.ask(node, job, false).await? {
                Reply::Value(value) => return Ok(value),
                elsewhere => (node.clone(), elsewhere),
            }),
            None => None,
        };
        let deadline = self.remote.deadline;
        let left = deadline.saturating_sub(begin.elapsed());
        let found = timeout(left, self.follow(slot, job, first)).await;
        found.unwrap_or(Err(StoreError::TimedOut(deadline)))
    }

    /// Asks one node after the other until one has the slot; `last` is the last one and what it answered.
    async fn follow<T: FromRedisValue>(
        self: &Arc<Self>,
        slot: u16,
        job: Job<'_>,
        mut last: Option<(Arc<Node>, Reply<T>)>,
    ) -> Result<T, StoreError> {
        let mut redirections = 0;
        let mut wait = KEY_WAIT;
        loop {
            if redirections > MAX_REDIRECTIONS {
                return Err(StoreError::NotServing("redirected too often".into()));
            }
            redirections += 1;
            let (node, asking) = match last {
                None => (self.owner(slot).await?, false),
                Some((_, Reply::Value(value))) => return Ok(value),
                Some((from, Reply::Moved(to))) => {
                    let node = self.node(&redirected(&to, &from.address)?, Some(slot))?;
                    self.search();
                    (node, false)
                }
                Some((from, Reply::Ask(to))) => {
                    (self.node(&redirected(&to, &from.address)?, None)?, true)
                }
                Some((_, Reply::TryAgain)) => {
                    sleep(wait).await;
                    wait *= 2;
                    redirections = 0;
                    (self.owner(slot).await?, false)
                }
                Some((_, Reply::NoNode)) => {
                    self.search();
                    return Err(no_node());
                }
            };
            let reply = self.ask(&node, job, asking).await?;
            last = Some((node, reply));
        }
    }

    async fn ask<T: FromRedisValue>(
        self: &Arc<Self>,
        node: &Node,
        job: Job<'_>,
        asking: bool,
    ) -> Result<Reply<T>, StoreError> {
        let reply = node.run(job, asking).await;
        // Another node may have taken its place. One to which a slot is on its way may be on no map yet: a new map would
        // forget that it is away.
        if !asking && reply.as_ref().is_err_and(StoreError::is_outage) {
            self.search();
        }
        reply
    }

    /// The node that has the slot by the map; the first map is waited for.
    async fn owner(self: &Arc<Self>, slot: u16) -> Result<Arc<Node>, StoreError> {
        let map = self.map().await?;
        map.owner(slot).cloned().ok_or_else(|| {
            self.search();
            no_node()
        })
    }

    fn known(&self) -> Option<Arc<Map>> {
        self.progress.borrow().map.clone()
    }

    /// The node at an address that a node has named. It has the slot from now on, if one is given.
    fn node(&self, address: &Address, slot: Option<u16>) -> Result<Arc<Node>, StoreError> {
        let mut found = None;
        self.progress.send_if_modified(|progress| {
            let map = Arc::make_mut(progress.map.get_or_insert_default());
            let node = self.at(address, Some(map));
            if map.find(address).is_some() || map.add(node.clone()) {
                if let Some(slot) = slot {
                    map.assign(slot, address);
                }
                found = Some(node);
            }
            false
        });
        found.ok_or_else(|| StoreError::NotServing("the cluster has too many nodes".into()))
    }

    /// The node at an address: one that is known, or a new one.
    fn at(&self, address: &Address, map: Option<&Map>) -> Arc<Node> {
        let mut seeds = self.seeds.iter();
        let known = map.and_then(|map| map.find(address));
        let known = known.or_else(|| seeds.find(|node| node.address == *address));
        let new = || Node::new(address.clone(), &self.login, &self.remote);
        known.cloned().unwrap_or_else(new)
    }

    /// Those of the nodes that are asked for keys.
    pub(super) fn breakers(&self) -> Vec<Breaker> {
        let map = self.known();
        let nodes = map.as_ref().map_or(&self.seeds[..], |map| map.nodes());
        let breakers = nodes.iter().map(|node| node.guard.breaker().clone());
        breakers.collect()
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.breakers()).finish()
    }
}

fn no_node() -> StoreError {
    StoreError::NotServing("no node of the cluster has the key's slot".into())
}
