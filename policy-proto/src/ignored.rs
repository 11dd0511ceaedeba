use std::mem;

use bytes::{Bytes, BytesMut};

/// Lines that were left out of requests, for the caller's log.
#[derive(Debug, Default)]
pub(crate) struct Ignored {
    lines: Vec<Bytes>,
    /// Room for the next lines, which share it: many may be short.
    room: BytesMut,
}

impl Ignored {
    pub(crate) fn push(&mut self, line: &[u8]) {
        if self.room.capacity() < line.len() {
            self.room = BytesMut::with_capacity(line.len().max(ROOM));
        }
        self.room.extend_from_slice(line);
        self.lines.push(self.room.split().freeze());
    }

    pub(crate) fn take(&mut self) -> Vec<Bytes> {
        mem::take(&mut self.lines)
    }
}

/// In bytes: a few lines of text, or a great many that were sent for trouble.
const ROOM: usize = 1024;
