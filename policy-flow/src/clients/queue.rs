//! Clients that wait for the same, in the order in which they have begun to: the first one has waited for longest.
//!
//! Each kind of wait has one time-out, so the first one is also the next whose time is over, and no heap is needed.

use super::client::{Client, NONE};
use crate::{clock::Time, slab::Slab};

#[derive(Debug)]
pub(crate) struct Queue {
    first: u32,
    last: u32,
    /// When its timer rings.
    pub(crate) armed: Time,
}

impl Queue {
    pub(crate) const fn new() -> Self {
        Self {
            first: NONE,
            last: NONE,
            armed: Time::NEVER,
        }
    }

    /// Who has waited for longest.
    pub(crate) const fn first(&self) -> Option<u32> {
        match self.first {
            NONE => None,
            first => Some(first),
        }
    }

    /// All of them, the one that has waited for longest first.
    pub(crate) fn iter<'a>(
        &self,
        clients: &'a Slab<Client>,
    ) -> impl Iterator<Item = (u32, &'a Client)> {
        let client = |id: u32| clients.get(id).map(|client| (id, client));
        std::iter::successors(client(self.first), move |(_, before)| client(before.after))
    }

    pub(crate) fn push(&mut self, clients: &mut Slab<Client>, id: u32, now: Time) {
        if let Some(client) = clients.get_mut(id) {
            client.since = now;
            client.before = self.last;
            client.after = NONE;
        }
        match clients.get_mut(self.last) {
            Some(last) => last.after = id,
            None => self.first = id,
        }
        self.last = id;
    }

    pub(crate) fn remove(&mut self, clients: &mut Slab<Client>, id: u32) {
        let Some(client) = clients.get_mut(id) else {
            return;
        };
        let (before, after) = (client.before, client.after);
        (client.before, client.after) = (NONE, NONE);
        match clients.get_mut(before) {
            Some(before) => before.after = after,
            None => self.first = after,
        }
        match clients.get_mut(after) {
            Some(after) => after.before = before,
            None => self.last = before,
        }
    }
}
