//! Which connections lose their places first.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    iter,
    sync::Arc,
};

use crate::{
    admission::Origin,
    slot::{Chunk, Slot, Wait},
};

/// A connection that may lose its place, if it still waits for the same.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) wait: Wait,
    pub(super) since: u64,
    pub(super) index: u32,
}

/// Finds those, of all or of this origin's, that are to lose their places: the last one first. They are several at
/// once, since all are looked at.
///
/// Those are idle, and for longest: they stay the longest as long as they are idle, since whoever gets idle
/// later is so for a shorter time. If none is idle, they are in the middle of a request for longest, each time of the
/// origin that has most of those.
pub(super) fn search(chunks: &[Arc<Chunk>], of: Option<Origin>) -> Vec<Candidate> {
    let slots = || chunks.iter().flat_map(|chunk| chunk.slots()).zip(0..);
    let is_one =
        |slot: &Slot| of.is_none_or(|of| slot.client().is_some_and(|one| one.origin() == of));
    let waiting = |what: Wait| {
        slots().filter_map(move |(slot, index)| {
            let (wait, since) = slot.waits()?;
            (wait == what && is_one(slot)).then_some((slot, since, index))
        })
    };
    let idle = waiting(Wait::Idle).map(|(_, since, index)| (since, index));
    let idle = oldest(idle.collect());
    if !idle.is_empty() {
        return candidates(Wait::Idle, idle);
    }
    let mut unfinished: HashMap<Origin, Vec<(u64, u32)>> = HashMap::new();
    for (slot, since, index) in waiting(Wait::Rest) {
        if let Some(client) = slot.client() {
            let all = unfinished.entry(client.origin()).or_default();
            all.push((since, index));
        }
    }
    candidates(Wait::Rest, of_the_largest(unfinished))
}

/// In each turn the oldest of whoever has most of them then.
fn of_the_largest(all: HashMap<Origin, Vec<(u64, u32)>>) -> Vec<(u64, u32)> {
    let ranked = |count: usize, all: Vec<(u64, u32)>| {
        let (since, _) = *all.last()?;
        Some((count, Reverse(since), all))
    };
    let all = all.into_values();
    let mut largest: BinaryHeap<_> = all
        .filter_map(|all| ranked(all.len(), oldest(all)))
        .collect();
    let next = || {
        let (count, _, mut all) = largest.pop()?;
        let one = all.pop();
        largest.extend(ranked(count - 1, all));
        one
    };
    let mut found: Vec<_> = iter::from_fn(next).take(AT_ONCE).collect();
    found.reverse();
    found
}

/// Those that have waited for longest, the last one for the longest.
fn oldest(mut all: Vec<(u64, u32)>) -> Vec<(u64, u32)> {
    if all.len() > AT_ONCE {
        all.select_nth_unstable(AT_ONCE);
        all.truncate(AT_ONCE);
    }
    all.sort_unstable_by(|one, other| other.cmp(one));
    all
}

fn candidates(wait: Wait, all: Vec<(u64, u32)>) -> Vec<Candidate> {
    let candidate = |(since, index)| Candidate { wait, since, index };
    all.into_iter().map(candidate).collect()
}

/// As many are found at once: with so many new ones in a row the search costs each of them little.
pub(super) const AT_ONCE: usize = 64;
