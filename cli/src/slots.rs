//! How many clients are connected, and that one of them leaves for a new one when all places are taken.

use std::{
    collections::HashMap,
    fmt, mem,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    admission::{Client, Origin, Refusal},
    max_clients::MaxClients,
    slot::{CHUNK, Chunk, SlotHandle, Wait, now},
};

mod search;
use search::{Candidate, search};

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
    /// Whether one has begun to wait for its client since the last search.
    has_waiting: Arc<AtomicBool>,
    oldest: Oldest,
    oldest_of_largest: Oldest,
    is_draining: bool,
}

/// What the last search has found.
#[derive(Debug, Default)]
struct Oldest {
    /// Whose were looked at, if not all.
    of: Option<Origin>,
    /// The last one is the first to lose its place. New idle ones do not come before those that were found when
    /// none was idle: a new client has time to send its request.
    found: Vec<Candidate>,
    /// No other search before that, since the last one was in vain; but of all, if one waits now.
    not_before: u64,
}

/// A client that has to leave so that another one may come.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Evicted {
    all: MaxClients,
    client: Client,
    wait: Wait,
    time: Duration,
}

impl fmt::Display for Evicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { all, client, .. } = self;
        let (number, cause) = (all.number, all.cause());
        let why = match self.wait {
            Wait::Idle => "idle",
            Wait::Rest => "whose request has been incomplete",
        };
        let time = self.time.as_secs();
        write!(
            f,
            "all {number} places are taken ({cause}): closing the connection of {client}, {why} for {time}s"
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
            victim = Some(table.evict(of, now).ok_or(full)?);
        }
        let slot = table.take().ok_or(full)?;
        slot.open(client, now);
        table.has_waiting.store(true, Relaxed);
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
                wait: victim.wait,
                time: Duration::from_nanos(now.saturating_sub(victim.since)),
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
            self.chunks.push(Chunk::new(&self.has_waiting));
        }
        let index = self.free.pop()?;
        self.taken += 1;
        self.slot(index)
    }

    fn slot(&self, index: u32) -> Option<SlotHandle> {
        let chunk = self.chunks.get(index as usize / CHUNK)?;
        Some(chunk.handle(index))
    }

    /// Takes its place from a connection, of all or of this origin's, if one waits for its client. Whoever has
    /// been given a request meanwhile keeps it.
    fn evict(&mut self, of: Option<Origin>, now: u64) -> Option<Victim> {
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
            oldest = Oldest::default();
        }
        let mut victim = self.evict_first(&mut oldest.found);
        // All that are found may have been given a request before they lose their places.
        for _ in 0..SEARCHES {
            let is_worth_while = || of.is_none() && self.has_waiting.load(Relaxed);
            if victim.is_some() || (oldest.not_before > now && !is_worth_while()) {
                break;
            }
            self.has_waiting.store(false, Relaxed);
            let began = self::now();
            oldest.found = search(&self.chunks, of);
            if oldest.found.is_empty() {
                oldest.not_before = pause_after(began);
            }
            victim = self.evict_first(&mut oldest.found);
        }
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

    fn evict_first(&mut self, found: &mut Vec<Candidate>) -> Option<Victim> {
        while let Some(Candidate { wait, since, index }) = found.pop() {
            if let Some(slot) = self.slot(index)
                && let Some(client) = slot.evict(wait, since)
            {
                self.taken -= 1;
                self.evicted += 1;
                return Some(Victim {
                    slot,
                    client,
                    wait,
                    since,
                });
            }
        }
        None
    }
}

/// When to search again after a search that began then and was in vain: those take a tenth of the time at most, however
/// many new clients come.
fn pause_after(began: u64) -> u64 {
    let end = now();
    let pause = end.saturating_sub(began).saturating_mul(10);
    end + pause.min(LONGEST_PAUSE)
}

/// Who has lost its place.
struct Victim {
    slot: SlotHandle,
    client: Client,
    wait: Wait,
    since: u64,
}

/// So often it is searched for one that leaves.
const SEARCHES: usize = 3;
/// In nanoseconds: 10 ms, even where this thread stood still while it searched.
const LONGEST_PAUSE: u64 = 10_000_000;
/// As many may have lost their places and still be connected, beyond those that have places: most for less than a
/// millisecond.
pub(crate) const MOST_EVICTED: usize = 128;

#[cfg(test)]
mod tests;
