//! The place of a decoder in its buffer.

use super::scan::Scan;
use crate::{DecodeError, Limits, metering::line_feed};

/// How far the message at the beginning of the buffer has been read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    /// The knowledge of the fast path.
    pub(crate) scan: Scan,
    /// The fast path has given it up: it is read line by line.
    pub(crate) doubtful: bool,
    /// Where its unfinished line begins: all before are whole lines, judged.
    pub(crate) line: usize,
    /// Where to look on for that line's end.
    seen: usize,
    /// It has an attribute.
    pub(crate) begun: bool,
    /// Its bytes are not yet a valid request: it has lines that end in CR LF or are left out.
    pub(crate) rewrite: bool,
    /// Lines of it that are left out.
    pub(crate) skipped: usize,
}

impl Cursor {
    /// Whether nothing has been read yet.
    pub(crate) const fn is_new(&self) -> bool {
        self.line == 0 && self.seen == 0
    }

    /// Where the line feed of the current line is, once it has arrived; `taken` are bytes of the message
    /// that are in the buffer no more.
    ///
    /// Nothing is looked at beyond the first byte that crosses a limit, so that an error does not
    /// depend on how the stream was cut: the limit that is crossed first is the one that is named,
    /// the line's where one byte crosses both.
    pub(crate) fn line_end(
        &mut self,
        buf: &[u8],
        Limits { line, message }: Limits,
        taken: usize,
    ) -> Result<Option<usize>, DecodeError> {
        let line_room = self.line.saturating_add(line);
        let message_room = message.saturating_sub(taken);
        let room = line_room.min(message_room);
        let from = self.seen;
        let to = buf.len().min(room.saturating_add(1));
        let unseen = buf.get(from..to).unwrap_or_default();
        let found = line_feed(unseen).map(|found| from + found);
        self.seen = from.max(to);
        match found {
            // Behind a full line a line feed may stand, behind a full message it must not.
            Some(found) if found < message_room => Ok(Some(found)),
            Some(_) => Err(DecodeError::MessageTooLong { limit: message }),
            None if buf.len() <= room => Ok(None),
            None if line_room <= message_room => Err(DecodeError::LineTooLong { limit: line }),
            None => Err(DecodeError::MessageTooLong { limit: message }),
        }
    }

    /// Goes on behind the line feed that has been found.
    pub(crate) fn next_line(&mut self, end: usize) {
        self.line = end + 1;
        self.seen = end + 1;
    }
}
