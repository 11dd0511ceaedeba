//! A client loses its place where all are taken: the one that has been idle for longest. If none is idle, one that has
//! begun a request, for longest among those of the origin that has begun most.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    time::Duration,
};

use super::{
    ClientEvent, Clients, Peer, Refusal, Wait, Waiting,
    client::State,
    limits::{Origin, Place},
};
use crate::{ClientDriver, ClientId, clock::Time};

/// Clients in the middle of a request that are to lose their places next, the last one first: several are found at
/// once, since all are looked at.
#[derive(Debug)]
pub(super) struct EvictionCandidates {
    found: Vec<(u32, Time)>,
    of: Option<Origin>,
    /// None was found: no other search before that, unless a request of anybody will do and one has begun since.
    not_before: Time,
    /// One has begun since the last search.
    pub(super) waits: bool,
}

impl EvictionCandidates {
    pub(super) const fn new() -> Self {
        Self {
            found: Vec::new(),
            of: None,
            not_before: Time::ZERO,
            waits: false,
        }
    }
}

impl Clients {
    /// A place for one more; another client may have to leave for it.
    pub(super) fn take_place(
        &mut self,
        peer: Peer,
        driver: &mut impl ClientDriver,
    ) -> Result<(), Refusal> {
        let Place::For(of) = self.places.take(peer.origin())? else {
            return Ok(());
        };
        let idle = self.longest_idle(of, driver);
        let (victim, waiting) = match idle {
            Some(victim) => (victim, Waiting::Idle),
            None => (
                self.longest_unfinished(of).ok_or(Refusal::Full)?,
                Waiting::Rest,
            ),
        };
        if let Some(client) = self.slab.get(victim) {
            driver.client_event(ClientEvent::Evicted {
                client: ClientId(victim),
                peer: client.peer,
                waiting,
                time: self.clock.now.since(client.since),
            });
        }
        self.close(victim, driver);
        match self.places.take(peer.origin())? {
            Place::Taken => Ok(()),
            // Another worker was faster.
            Place::For(_) => Err(Refusal::Full),
        }
    }

    fn longest_idle(&self, of: Option<Origin>, driver: &mut impl ClientDriver) -> Option<u32> {
        let idle = self.queues[Wait::Idle as usize].iter(&self.slab);
        let mut candidates = idle
            .take(MAX_LOOKED_AT)
            .filter(|(_, client)| of.is_none_or(|of| client.peer.origin() == of));
        // A request may have come in this moment.
        let victim = candidates.find(|(id, _)| !driver.has_bytes(ClientId(*id)));
        victim.map(|(id, _)| id)
    }

    fn longest_unfinished(&mut self, of: Option<Origin>) -> Option<u32> {
        if self.eviction.of != of {
            self.eviction.of = of;
            self.eviction.found.clear();
            self.eviction.not_before = Time::default();
        }
        for _ in 0..2 {
            while let Some((id, since)) = self.eviction.found.pop() {
                let client = self.slab.get(id)?;
                if client.state == State::Rest && client.since == since {
                    return Some(id);
                }
            }
            let now = self.clock.now;
            let is_worth_while = of.is_none() && self.eviction.waits;
            if now < self.eviction.not_before && !is_worth_while {
                return None;
            }
            self.eviction.waits = false;
            let (found, looked_at) = self.search(of);
            self.eviction.found = found;
            if self.eviction.found.is_empty() {
                let pause = PAUSE_PER_CLIENT.saturating_mul(looked_at).min(MAX_PAUSE);
                self.eviction.not_before = now.after(pause);
                return None;
            }
        }
        None
    }

    /// In each turn the oldest of the origin that has most of them then; and how many were looked at.
    fn search(&self, of: Option<Origin>) -> (Vec<(u32, Time)>, u32) {
        let mut all: HashMap<Origin, Vec<(u32, Time)>> = HashMap::new();
        let mut looked_at = 0;
        for (id, client) in self.queues[Wait::Rest as usize].iter(&self.slab) {
            looked_at += 1;
            let origin = client.peer.origin();
            if of.is_none_or(|of| of == origin) {
                all.entry(origin).or_default().push((id, client.since));
            }
        }
        let ranked = |mut clients: Vec<(u32, Time)>, from: usize| {
            let oldest = clients.get(from).map(|(_, since)| *since)?;
            let left = clients.len() - from;
            let rest = std::mem::take(&mut clients);
            Some((left, Reverse(oldest), from, rest))
        };
        let mut largest: BinaryHeap<_> = all
            .into_values()
            .filter_map(|clients| ranked(clients, 0))
            .collect();
        let mut found = Vec::new();
        while found.len() < MAX_FOUND
            && let Some((_, _, from, clients)) = largest.pop()
        {
            found.extend(clients.get(from).copied());
            largest.extend(ranked(clients, from + 1));
        }
        found.reverse();
        (found, looked_at)
    }
}

/// So many idle clients are looked at for one that may leave: with a limit, however many there are.
const MAX_LOOKED_AT: usize = 1024;
/// So many are found at once: with so many new ones in a row the search costs each of them little.
const MAX_FOUND: usize = 64;
/// After a search in vain, for each client that was looked at: ten times as long as that takes.
const PAUSE_PER_CLIENT: Duration = Duration::from_nanos(500);
const MAX_PAUSE: Duration = Duration::from_millis(10);
