//! How many clients are connected, and which of them has to leave when all places are taken: the one that
//! has been idle for longest.

use std::{
    collections::HashMap,
    fmt, mem,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    admission::{Client, Origin, Refusal},
    max_clients::MaxClients,
    slot::{CHUNK, Chunk, Slot, SlotHandle, now},
};

/// The connections that are served: one for all workers and listeners.
#[derive(Debug)]
pub(crate) struct Slots {
    limits: SlotLimits,
    table: Mutex<Table>,
}

/// How many connections there may be at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotLimits {
    pub(crate) all: MaxClients,
    pub(crate) per_address: Option<NonZeroUsize>,
    pub(crate) per_user: Option<NonZeroUsize>,
}

#[derive(Debug, Default)]
struct Table {
    /// All that were ever needed at once: no more than there may be connections, and those on their way out.
    chunks: Vec<Arc<Chunk>>,
    /// Those of them that are free.
    free: Vec<u32>,
    /// How many connections have a place.
    taken: usize,
    /// How many have lost theirs, and are still connected.
    evicted: usize,
    /// Only where they are limited: never more than there are connections.
    by_origin: HashMap<Origin, usize>,
    /// Those that were idle for longest at the last search, and since when: of the last one for the longest.
    oldest: Vec<(u64, u32)>,
    is_draining: bool,
}

/// A client that has to leave so that another one may come.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Evicted {
    all: MaxClients,
    client: Client,
    idle: Duration,
}

impl fmt::Display for Evicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { all, client, idle } = self;
        let idle = idle.as_secs();
        write!(
            f,
            "all {} places are taken ({}): closing the connection of {client}, idle for {idle}s",
            all.number,
            all.cause()
        )
    }
}

impl Slots {
    pub(crate) fn new(limits: SlotLimits) -> Self {
        Self {
            limits,
            table: Mutex::default(),
        }
    }

    /// A place for a connection of this client's, and who has to leave for it. It is to be given to
    /// [`leave`](Self::leave) when the connection has ended.
    pub(crate) fn enter(&self, client: Client) -> Result<(SlotHandle, Option<Evicted>), Refusal> {
        let now = now();
        let limited = self.limit(client);
        let mut table = self.table();
        if let Some((origin, most)) = limited
            && table.count(origin) >= most.get()
        {
            return Err(Refusal::full_for(client, most));
        }
        let mut oldest = None;
        if table.taken >= self.limits.all.number {
            let full = Refusal::Full(self.limits.all);
            oldest = Some(table.evict().ok_or(full)?);
        }
        let slot = table.take().ok_or(Refusal::Full(self.limits.all))?;
        slot.open(client, now);
        if table.is_draining {
            slot.drain();
        }
        if let Some((origin, _)) = limited {
            *table.by_origin.entry(origin).or_default() += 1;
        }
        drop(table);
        let evicted = oldest.and_then(|(since, oldest)| {
            oldest.wake();
            Some(Evicted {
                all: self.limits.all,
                client: oldest.client()?,
                idle: Duration::from_nanos(now.saturating_sub(since)),
            })
        });
        Ok((slot, evicted))
    }

    /// Its connection has ended.
    pub(crate) fn leave(&self, slot: &SlotHandle) {
        let mut table = self.table();
        let (client, was_evicted) = slot.close();
        match was_evicted {
            true => table.evicted -= 1,
            false => table.taken -= 1,
        }
        table.free.push(slot.index());
        if let Some((origin, _)) = client.and_then(|client| self.limit(client))
            && let Some(count) = table.by_origin.get_mut(&origin)
        {
            *count -= 1;
            if *count == 0 {
                table.by_origin.remove(&origin);
            }
        }
    }

    /// From now on each connection ends as soon as it is between two requests.
    pub(crate) fn drain(&self) {
        let mut table = self.table();
        if mem::replace(&mut table.is_draining, true) {
            return;
        }
        let chunks = table.chunks.clone();
        for slot in chunks.iter().flat_map(|chunk| chunk.slots()) {
            // A free one is busy when it is taken.
            slot.drain();
        }
        drop(table);
        for slot in chunks.iter().flat_map(|chunk| chunk.slots()) {
            slot.wake();
        }
    }

    /// For whom a client counts, and how many connections that may have, if they are limited.
    fn limit(&self, client: Client) -> Option<(Origin, NonZeroUsize)> {
        let origin = client.origin();
        let most = match origin {
            Origin::Network(_) => self.limits.per_address,
            Origin::User(_) => self.limits.per_user,
        };
        Some((origin, most?))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing that holds the lock can panic half-way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn count(&self, origin: Origin) -> usize {
        self.by_origin.get(&origin).copied().unwrap_or_default()
    }

    /// A slot that is free.
    fn take(&mut self) -> Option<SlotHandle> {
        if self.free.is_empty() {
            let first = self.chunks.len() * CHUNK;
            let last = u32::try_from(first + CHUNK - 1).ok()?;
            self.free.extend((first as u32..=last).rev());
            self.chunks.push(Chunk::new());
        }
        let index = self.free.pop()?;
        self.taken += 1;
        self.slot(index)
    }

    fn slot(&self, index: u32) -> Option<SlotHandle> {
        let chunk = self.chunks.get(index as usize / CHUNK)?;
        Some(chunk.handle(index))
    }

    /// Takes its place from the connection that has been idle for longest, if there is one. Whoever has
    /// begun a request meanwhile keeps it.
    fn evict(&mut self) -> Option<(u64, SlotHandle)> {
        // They have not noticed yet, or were given a request in that moment, and have descriptors.
        if self.evicted >= MOST_EVICTED {
            return None;
        }
        let mut is_searched = false;
        loop {
            while let Some((since, index)) = self.oldest.pop() {
                if let Some(slot) = self.slot(index)
                    && slot.evict(since)
                {
                    self.taken -= 1;
                    self.evicted += 1;
                    return Some((since, slot));
                }
            }
            if mem::replace(&mut is_searched, true) {
                return None;
            }
            self.search();
        }
    }

    /// Finds those that have been idle for longest: several at once, since all are looked at. They stay the
    /// longest as long as they are idle, since whoever gets idle later is so for a shorter time.
    fn search(&mut self) {
        let slots = self.chunks.iter().flat_map(|chunk| chunk.slots());
        let idle = |(slot, index): (&Slot, u32)| Some((slot.idle_since()?, index));
        let mut idle: Vec<_> = slots.zip(0..).filter_map(idle).collect();
        if idle.len() > AT_ONCE {
            idle.select_nth_unstable(AT_ONCE);
            idle.truncate(AT_ONCE);
        }
        idle.sort_unstable_by(|one, other| other.cmp(one));
        idle.shrink_to_fit();
        self.oldest = idle;
    }
}

/// As many of the connections that have been idle for longest are found at once: with so many new ones in a row the
/// search costs each of them little.
const AT_ONCE: usize = 64;
/// As many may have lost their places and still be connected, beyond those that have places: more than a worker
/// accepts before it lets others have their turn.
const MOST_EVICTED: usize = 128;

#[cfg(test)]
mod tests;
