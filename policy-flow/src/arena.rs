//! Memory that all connections of a worker read into: what has come is split off, and the rest is used on.

use std::{collections::VecDeque, mem};

use bytes::BytesMut;

#[derive(Debug, Default)]
pub(crate) struct Arena {
    pub(crate) buf: BytesMut,
    /// It is a block, even if none of it is left.
    is_block: bool,
    /// Blocks that requests or answers still hold parts of, the oldest first.
    spare: VecDeque<BytesMut>,
}

impl Arena {
    /// Puts these bytes into the buffer, which is empty.
    pub(crate) fn fill(&mut self, data: &[u8]) {
        if self.buf.capacity() < data.len() {
            self.renew(data.len());
        }
        self.buf.extend_from_slice(data);
    }

    /// A block that is free again, or a new one.
    #[cold]
    fn renew(&mut self, room: usize) {
        let room = room.max(BLOCK);
        let old = mem::take(&mut self.buf);
        if mem::replace(&mut self.is_block, true) {
            self.spare.push_back(old);
        }
        if let Some(mut oldest) = self.spare.pop_front() {
            if oldest.try_reclaim(room) {
                self.buf = oldest;
                return;
            }
            // Somebody holds it: it is looked at again when all others have been.
            if self.spare.len() < MAX_SPARE {
                self.spare.push_back(oldest);
            }
        }
        self.buf = BytesMut::with_capacity(room);
    }
}

/// Room for some requests of Postfix's, which are a kilobyte: no more than what is counted for one
/// (`clients/memory.rs`), since one may hold it for long.
const BLOCK: usize = 7 * 1024;
/// As many blocks as requests may hold while others come and go; others are given back to the system.
const MAX_SPARE: usize = 64;
