//! The search for the map of a cluster's slots: a few nodes are asked at once, others in the place of those that fail, and
//! the first answer is taken.
//!
//! There is one search at a time, in a task of its own, and a pause between two: a cluster that fails is not asked more
//! often the more it is used.

use std::{
    mem,
    sync::{Arc, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{Cluster, map::Map, node::Node, ranges::Range};
use crate::{BreakerState, StoreError};

/// From the begin of one search to that of the next.
const PAUSE: Duration = Duration::from_millis(500);

/// How many nodes are asked at once: one that hangs delays nothing.
const ASKED: usize = 3;

/// What has been found so far.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) map: Option<Arc<Map>>,
    /// How many searches have ended.
    ended: u64,
    /// Why the last one found nothing.
    error: Option<StoreError>,
}

/// When there was a search.
#[derive(Default)]
pub(super) struct Pace {
    is_searching: bool,
    last: Option<Instant>,
    count: usize,
}

impl Cluster {
    /// The map; the first one is searched for and waited for.
    pub(super) async fn map(self: &Arc<Self>) -> Result<Arc<Map>, StoreError> {
        let mut watch = self.progress.subscribe();
        let ended = watch.borrow().ended;
        if let Some(map) = self.known() {
            return Ok(map);
        }
        if self.search() {
            let has_ended = watch.wait_for(|progress| progress.ended != ended).await;
            drop(has_ended);
        }
        let progress = self.progress.borrow();
        match (&progress.map, &progress.error) {
            (Some(map), _) => Ok(map.clone()),
            (None, Some(error)) if progress.ended != ended => Err(error.clone()),
            (None, Some(StoreError::Away(reason))) => Err(StoreError::Away(reason.clone())),
            (None, Some(error)) => Err(StoreError::Away(error.to_string().into())),
            (None, None) => Err(given_up()),
        }
    }

    /// Has a task search, but for a pause. False if none does.
    pub(super) fn search(self: &Arc<Self>) -> bool {
        let mut pace = self.pace();
        if pace.is_searching {
            return true;
        }
        if pace.last.is_some_and(|last| last.elapsed() < PAUSE) {
            return false;
        }
        pace.is_searching = true;
        pace.last = Some(Instant::now());
        pace.count = pace.count.wrapping_add(1);
        let nodes = self.to_ask(pace.count);
        drop(pace);
        let search = Search {
            cluster: Arc::downgrade(self),
            found: Err(given_up()),
        };
        let away = self.seeds.first();
        let away = away.and_then(|seed| seed.guard.breaker().refusal());
        let deadline = self.remote.deadline;
        tokio::spawn(async move {
            let found = timeout(deadline, first_answer(nodes, away)).await;
            search.end(found.unwrap_or(Err(StoreError::TimedOut(deadline))));
        });
        true
    }

    /// Those that are not away, other ones first each time, since one may see less than the others. The seeds come last: one
    /// may have left the cluster. Where the last search has found nothing, one comes first: all nodes may have new addresses.
    fn to_ask(&self, count: usize) -> Vec<Arc<Node>> {
        let progress = self.progress.borrow();
        let mapped = progress.map.as_ref().map_or(&[][..], |map| map.nodes());
        let [mut nodes, mut seeds] = [mapped, &self.seeds].map(|nodes| {
            let is_closed =
                |node: &&Arc<Node>| node.guard.breaker().state() == BreakerState::Closed;
            let mut nodes: Vec<_> = nodes.iter().filter(is_closed).cloned().collect();
            let first = count.checked_rem(nodes.len()).unwrap_or_default();
            nodes.rotate_left(first);
            nodes
        });
        seeds.retain(|seed| !nodes.iter().any(|node| Arc::ptr_eq(node, seed)));
        if progress.error.is_some() {
            nodes.splice(..0, seeds.pop());
        }
        nodes.append(&mut seeds);
        nodes
    }

    fn ended(&self, found: Result<Vec<Range>, StoreError>) {
        // Who sees no search under way sees what it has found.
        let mut pace = self.pace();
        self.progress.send_modify(|progress| {
            progress.ended = progress.ended.wrapping_add(1);
            match found {
                Ok(ranges) => {
                    let before = progress.map.as_deref();
                    let map = Map::new(ranges, |address| self.at(&address, before));
                    progress.map = Some(Arc::new(map));
                    progress.error = None;
                }
                Err(error) => progress.error = Some(error),
            }
        });
        pace.is_searching = false;
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A search. It ends also where its runtime does.
struct Search {
    cluster: Weak<Cluster>,
    found: Result<Vec<Range>, StoreError>,
}

impl Search {
    fn end(mut self, found: Result<Vec<Range>, StoreError>) {
        self.found = found;
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        if let Some(cluster) = self.cluster.upgrade() {
            cluster.ended(mem::replace(&mut self.found, Ok(Vec::new())));
        }
    }
}

/// The first answer that is one, and else the last failure.
async fn first_answer(
    nodes: Vec<Arc<Node>>,
    away: Option<StoreError>,
) -> Result<Vec<Range>, StoreError> {
    let mut nodes = nodes.into_iter();
    let mut questions = JoinSet::new();
    let mut last = away.unwrap_or_else(given_up);
    loop {
        while questions.len() < ASKED
            && let Some(node) = nodes.next()
        {
            questions.spawn(async move { node.slots().await });
        }
        match questions.join_next().await {
            None => return Err(last),
            Some(Ok(Ok(ranges))) => return Ok(ranges),
            Some(Ok(Err(error))) => last = error,
            // Its runtime ends.
            Some(Err(_)) => {}
        }
    }
}

fn given_up() -> StoreError {
    StoreError::NotServing("no node of the cluster was asked".into())
}
