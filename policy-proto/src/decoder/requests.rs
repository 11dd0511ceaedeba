//! The next request: by the fast path, or line by line where that gives up.

use std::mem;

use bytes::{Buf, BytesMut};

use super::{
    MessageDecoder,
    cursor::Cursor,
    lines::{check, rewritten, without_cr},
    scan::Verdict,
};
use crate::{DecodeError, Request};

impl MessageDecoder {
    pub(super) fn next_request(
        &mut self,
        buf: &mut BytesMut,
    ) -> Result<Option<Request>, DecodeError> {
        loop {
            if !self.cursor.doubtful {
                match self.cursor.scan.advance(buf, self.limits) {
                    Verdict::End(end) => {
                        self.cursor = Cursor::default();
                        let message = buf.split_to(end + 1).freeze();
                        return Ok(Some(Request::from_valid(message)));
                    }
                    Verdict::More => return Ok(None),
                    Verdict::Doubt => self.cursor.doubtful = true,
                }
            }
            match self.next_request_by_line(buf)? {
                // A blank line has been skipped: behind it the fast path tries again.
                None if !self.cursor.doubtful => {}
                request => return Ok(request),
            }
        }
    }

    /// The next request where the fast path has given up.
    #[inline(never)]
    fn next_request_by_line(&mut self, buf: &mut BytesMut) -> Result<Option<Request>, DecodeError> {
        while let Some(end) = self.line_end(buf)? {
            let offset = self.cursor.line;
            let (line, cr) = without_cr(&buf[offset..end]);
            self.cursor.rewrite |= cr;
            if line.is_empty() && self.cursor.begun {
                let message = buf.split_to(end + 1);
                let message = if mem::take(&mut self.cursor).rewrite {
                    rewritten(&message)
                } else {
                    message.freeze()
                };
                return Ok(Some(Request::from_valid(message)));
            }
            if line.is_empty() && offset == 0 {
                buf.advance(end + 1);
                self.cursor = Cursor::default();
                return Ok(None);
            }
            if line.is_empty() {
                // Behind lines that are left out it belongs to the message: these have to count towards
                // its limit, or they could come without an end.
                self.cursor.rewrite = true;
            } else if let Err(error) = check(line, offset) {
                if !self.lenient {
                    return Err(error);
                }
                self.cursor.rewrite = true;
                let others = self.cursor.skipped;
                self.skipped.get_or_insert_default().push(line, others);
                self.cursor.skipped += 1;
            } else {
                self.cursor.begun = true;
            }
            self.cursor.next_line(end);
        }
        Ok(None)
    }
}
