//! The memory that large answers may take: beyond it they are not read on.

use std::{collections::VecDeque, mem};

use bytes::Bytes;
use policy_proto::{Limits, Response};

use crate::upstream::{LinkState, Upstream, link::Partial};
use crate::{BackendDriver, LinkId};

#[derive(Debug)]
pub(crate) struct Memory {
    /// In bytes; `None` is without a limit.
    limit: Option<usize>,
    /// What one answer may take.
    size: usize,
    used: usize,
    waiting: VecDeque<u32>,
    /// How many have had to wait so far.
    waited: u64,
}

impl Memory {
    pub(crate) const fn new(limit: Option<usize>, limits: Limits) -> Self {
        Self {
            limit,
            size: limits.message + READ,
            used: 0,
            waiting: VecDeque::new(),
            waited: 0,
        }
    }

    /// Another limit from now on. What is counted stays counted.
    pub(crate) const fn renew(&mut self, limit: Option<usize>, limits: Limits) {
        self.limit = limit;
        self.size = limits.message + READ;
    }

    /// Whether there is memory for one more answer of a backend that has this much.
    fn take(&mut self, of_backend: &mut usize) -> bool {
        let Some(limit) = self.limit else {
            return true;
        };
        let fits = |used: usize, limit: usize| used == 0 || used + self.size <= limit;
        // A backend that talks without an end leaves the others their half.
        let has = fits(self.used, limit) && fits(*of_backend, limit / 2);
        if has {
            self.used += self.size;
            *of_backend += self.size;
        }
        has
    }
}

impl Upstream {
    /// Answers that have had to wait for memory so far.
    #[must_use]
    pub const fn memory_waits(&self) -> u64 {
        self.memory.waited
    }

    /// Answers that wait for memory.
    #[must_use]
    pub fn short_of_memory(&self) -> usize {
        self.memory.waiting.len()
    }

    pub(crate) fn room_of(&self, id: u32) -> usize {
        let Some(link) = self.links.get(id) else {
            return 0;
        };
        match (&link.partial, self.memory.limit) {
            _ if link.state == LinkState::Free => 0,
            (Some(partial), _) if partial.waits => 0,
            (Some(partial), Some(_)) if partial.charge == 0 => {
                USUAL.saturating_sub(partial.buf.len()).max(1)
            }
            (None, Some(_)) => USUAL,
            _ => READ,
        }
    }

    /// An answer has grown beyond what is not counted: it takes memory for all that it may be, or waits for it.
    pub(crate) fn charge_memory(&mut self, id: u32) {
        if self.memory.limit.is_none() {
            return;
        }
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let Some(backend) = self.backends.get_mut(link.backend.index()) else {
            return;
        };
        if let Some(partial) = &mut link.partial
            && partial.charge == 0
            && partial.buf.len() >= USUAL
        {
            if self.memory.take(&mut backend.memory) {
                partial.charge = self.memory.size
            } else {
                partial.waits = true;
                self.memory.waited += 1;
                self.memory.waiting.push_back(id);
            }
        }
    }

    /// What has come over a connection is not needed any more.
    #[inline]
    pub(crate) fn drop_partial(&mut self, id: u32, driver: &mut impl BackendDriver) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if let Some(partial) = link.partial.take() {
            self.give_back(id, &partial, driver);
        }
    }

    #[cold]
    fn give_back(&mut self, id: u32, partial: &Partial, driver: &mut impl BackendDriver) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if partial.waits {
            self.memory.waiting.retain(|other| *other != id);
        }
        if partial.charge > 0 {
            self.memory.used -= partial.charge;
            if let Some(backend) = self.backends.get_mut(link.backend.index()) {
                backend.memory -= partial.charge;
            }
            self.serve_memory(driver);
        }
    }

    #[cold]
    fn serve_memory(&mut self, driver: &mut impl BackendDriver) {
        for id in mem::take(&mut self.memory.waiting) {
            let Some(link) = self.links.get_mut(id) else {
                continue;
            };
            let Some(backend) = self.backends.get_mut(link.backend.index()) else {
                continue;
            };
            let Some(partial) = &mut link.partial else {
                continue;
            };
            if self.memory.take(&mut backend.memory) {
                partial.waits = false;
                partial.charge = self.memory.size;
                driver.resume(LinkId(id));
            } else {
                self.memory.waiting.push_back(id);
            }
        }
    }

    /// A large answer in memory of its own.
    #[inline]
    pub(crate) fn apart(&self, id: u32, response: Response) -> Response {
        let is_large = self.links.get(id).is_some_and(|link| {
            link.partial
                .as_ref()
                .is_some_and(|partial| partial.charge > 0)
        });
        if is_large { copied(response) } else { response }
    }
}

#[cold]
fn copied(response: Response) -> Response {
    let copy = Bytes::copy_from_slice(response.as_bytes());
    // It is the same text.
    response.moved_to(copy).unwrap_or(response)
}

/// An answer is some twenty bytes: so much of it is not counted.
const USUAL: usize = 1024;
/// As much as is read at a time.
const READ: usize = 16 * 1024;
