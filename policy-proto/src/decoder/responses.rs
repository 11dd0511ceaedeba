//! The next response: all of it at once, or its `action=` line before the blank one.

use bytes::{Buf, BytesMut};

use super::{
    MessageDecoder,
    cursor::Cursor,
    lines::{leading_action, plain_action, without_cr},
};
use crate::{DecodeError, Response, grammar, metering::looked_at};

impl MessageDecoder {
    /// The next response, if all of it has come at once with its blank line, as it does as a rule.
    pub(super) fn whole_response(&self, buf: &mut BytesMut) -> Option<Response> {
        if !self.cursor.is_new() || self.owed.is_some() || self.failed.is_some() {
            return None;
        }
        let length = leading_action(buf)?.len();
        let line = grammar::ACTION.len() + length;
        let is_within = line <= self.limits.line && line + 2 <= self.limits.message;
        if buf.get(line + 1) != Some(&b'\n') || !is_within {
            return None;
        }
        buf.advance(grammar::ACTION.len());
        let action = buf.split_to(length).freeze();
        buf.advance(2);
        Some(Response::from_valid(action))
    }

    pub(super) fn next_response(
        &mut self,
        buf: &mut BytesMut,
    ) -> Result<Option<Response>, DecodeError> {
        if !self.skip_owed(buf)? {
            return Ok(None);
        }
        while let Some(end) = self.line_end(buf)? {
            let offset = self.cursor.line;
            let (line, _) = without_cr(&buf[offset..end]);
            looked_at(line.len());
            let text = match plain_action(line) {
                Some(text) => Some(text),
                None => grammar::response_line(line, offset)?,
            };
            if let Some(text) = text {
                let to = offset + line.len();
                let text = to - text.len()..to;
                // As a rule the blank line has come with it.
                let is_whole = buf.get(end + 1) == Some(&b'\n') && end + 1 < self.limits.message;
                buf.advance(text.start);
                let action = buf.split_to(text.len()).freeze();
                buf.advance(end + 1 - text.end + usize::from(is_whole));
                self.cursor = Cursor::default();
                self.owed = (!is_whole).then_some(end + 1);
                return Ok(Some(Response::from_valid(action)));
            }
            self.cursor.next_line(end);
        }
        Ok(None)
    }
}
