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

impl SlotLimits {
    /// How many connections this one may have, if they are limited.
    fn of(&self, origin: Origin) -> Option<NonZeroUsize> {
        match origin {
            // Whoever is first would keep out the others of this machine.
            Origin::Loopback => None,
            Origin::Network(_) => self.per_address,
            Origin::User(_) => self.per_user,
        }
    }
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
    /// How many of them are whose: never more entries than there are connections.
    by_origin: HashMap<Origin, usize>,
    oldest: Oldest,
    oldest_of_largest: Oldest,
    is_draining: bool,
}

/// What the last search has found.
#[derive(Debug, Default)]
struct Oldest {
    /// Whose were looked at, if not all.
    of: Option<Origin>,
    /// Those that were idle for longest, and since when: of the last one for the longest.
    found: Vec<(u64, u32)>,
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
        let (limit, origin) = (self.limits.all, client.origin());
        let all = limit.number;
        let mut table = self.table();
        let count = table.by_origin.get(&origin).copied().unwrap_or_default();
        if let Some(most) = self.limits.of(origin).filter(|most| count >= most.get()) {
            return Err(Refusal::full_for(client, most));
        }
        let full = Refusal::Full(client, limit);
        let mut victim = None;
        if table.taken >= all {
            // Whoever has more than half of all places takes none from others.
            let of = (count > all / 2).then_some(origin);
            victim = Some(table.evict(of).ok_or(full)?);
        }
        let slot = table.take().ok_or(full)?;
        slot.open(client, now);
        if table.is_draining {
            slot.drain();
        }
        *table.by_origin.entry(origin).or_default() += 1;
        drop(table);
        let evicted = victim.map(|victim| {
            victim.slot.wake();
            Evicted {
                all: limit,
                client: victim.client,
                idle: Duration::from_nanos(now.saturating_sub(victim.since)),
            }
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
        if let Some(origin) = client.map(Client::origin)
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

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing that holds the lock can panic half-way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
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

    /// Takes its place from the connection that has been idle for longest, of all or of this origin's, if
    /// there is one. Whoever has begun a request meanwhile keeps it.
    fn evict(&mut self, of: Option<Origin>) -> Option<Victim> {
        // They have not noticed yet, or were given a request in that moment, and have descriptors. The
        // largest leaves room for the others there, too.
        let most = match of {
            None => MOST_EVICTED,
            Some(_) => MOST_EVICTED / 2,
        };
        if self.evicted >= most {
            return None;
        }
        let mut oldest = mem::take(self.oldest(of));
        if oldest.of != of {
            oldest.found.clear();
        }
        let victim = self.evict_first(&mut oldest.found).or_else(|| {
            oldest.found = self.search(of);
            self.evict_first(&mut oldest.found)
        });
        oldest.of = of;
        *self.oldest(of) = oldest;
        victim
    }

    fn oldest(&mut self, of: Option<Origin>) -> &mut Oldest {
        match of {
            None => &mut self.oldest,
            Some(_) => &mut self.oldest_of_largest,
        }
    }

    fn evict_first(&mut self, oldest: &mut Vec<(u64, u32)>) -> Option<Victim> {
        while let Some((since, index)) = oldest.pop() {
            if let Some(slot) = self.slot(index)
                && let Some(client) = slot.evict(since)
            {
                self.taken -= 1;
                self.evicted += 1;
                return Some(Victim {
                    slot,
                    client,
                    since,
                });
            }
        }
        None
    }

    /// Finds those that have been idle for longest: several at once, since all are looked at. They stay the
    /// longest as long as they are idle, since whoever gets idle later is so for a shorter time.
    fn search(&self, of: Option<Origin>) -> Vec<(u64, u32)> {
        let slots = self.chunks.iter().flat_map(|chunk| chunk.slots());
        let idle = |(slot, index): (&Slot, u32)| {
            let since = slot.idle_since()?;
            let is_one =
                of.is_none_or(|of| slot.client().is_some_and(|client| client.origin() == of));
            is_one.then_some((since, index))
        };
        let mut idle: Vec<_> = slots.zip(0..).filter_map(idle).collect();
        if idle.len() > AT_ONCE {
            idle.select_nth_unstable(AT_ONCE);
            idle.truncate(AT_ONCE);
        }
        idle.sort_unstable_by(|one, other| other.cmp(one));
        idle.shrink_to_fit();
        idle
    }
}

/// Who has lost its place.
struct Victim {
    slot: SlotHandle,
    client: Client,
    since: u64,
}

/// As many of the connections that have been idle for longest are found at once: with so many new ones in a row the
/// search costs each of them little.
const AT_ONCE: usize = 64;
/// As many may have lost their places and still be connected, beyond those that have places: most for less than a
/// millisecond.
const MOST_EVICTED: usize = 128;

#[cfg(test)]
mod tests;
