//! Bytes that have come over a connection and are not decoded yet, in a block of memory whose size is
//! known: a budget counts it.

use std::task::{Context, Poll, ready};

use bytes::BytesMut;

use crate::{
    MemoryBudget,
    memory::{Extra, Kind},
};

#[derive(Debug, Default)]
pub(crate) struct ReadBuffer {
    pub(crate) bytes: BytesMut,
    /// The size of the block that they are in, with what has been taken off them.
    block: usize,
}

/// How much room there may be.
pub(crate) struct Room<'a> {
    /// The size of a block that needs no memory beside what its owner has.
    pub(crate) usual: usize,
    /// The size of the largest message.
    pub(crate) message: usize,
    /// What memory for larger blocks is taken from, and as what.
    pub(crate) memory: Option<&'a MemoryBudget>,
    pub(crate) kind: Kind,
}

impl ReadBuffer {
    /// Ready once there is room for a read. What a block beyond the usual size needs is taken into `extra`,
    /// and waited for where the budget has none.
    pub(crate) fn poll_room(
        &mut self,
        room: &Room<'_>,
        extra: &mut Extra,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        while !self.make_room(room.usual) {
            if let Some(budget) = room.memory {
                // For the largest block, and the one that it is copied from; or a copy of what is in it.
                let bytes = room.message.saturating_mul(2);
                ready!(extra.poll(budget, room.kind, bytes, cx));
            }
            self.grow(room.message.saturating_add(1));
        }
        Poll::Ready(())
    }

    /// Whether there is room for a read. If not, and the bytes would fit into a block of the usual size or
    /// the one that there is, then they are moved into a new one.
    pub(crate) fn make_room(&mut self, usual: usize) -> bool {
        if !self.has_room() {
            let size = self.block.max(usual);
            if self.bytes.len() >= size {
                return false;
            }
            self.move_to(size);
        }
        true
    }

    /// Whether there is room in the block that there is, or none yet.
    pub(crate) fn can_go_on(&mut self) -> bool {
        self.block == 0 || self.has_room()
    }

    /// Whether its block is larger than this.
    pub(crate) const fn is_beyond(&self, usual: usize) -> bool {
        self.block > usual
    }

    /// Moves the bytes into a block of twice the size, up to this one.
    fn grow(&mut self, most: usize) {
        let size = self.block.saturating_mul(2).min(most);
        self.move_to(size.max(self.bytes.len() + 1));
    }

    /// If its block is larger than usual, and the bytes would fit into a usual one, moves them; the size
    /// of the block that was left.
    pub(crate) fn leave_large(&mut self, usual: usize) -> Option<usize> {
        let (left, length) = (self.block, self.bytes.len());
        if left <= usual || length > usual {
            return None;
        }
        match length {
            0 => *self = Self::default(),
            _ => self.move_to(usual),
        }
        Some(left)
    }

    /// Empties it, and keeps its block only if that is of this size and nobody else sees a part of it.
    pub(crate) fn clear(&mut self, usual: usize) {
        self.bytes.clear();
        if self.block != usual || !self.bytes.try_reclaim(usual) {
            *self = Self::default();
        }
    }

    fn has_room(&mut self) -> bool {
        let room = self.bytes.capacity() - self.bytes.len();
        room >= READ || self.bytes.try_reclaim(READ) || room > 0
    }

    fn move_to(&mut self, size: usize) {
        let mut bytes = BytesMut::with_capacity(size);
        bytes.extend_from_slice(&self.bytes);
        self.bytes = bytes;
        self.block = size;
    }
}

/// Room that is worth a read: less is used only where there is no more.
const READ: usize = 512;
