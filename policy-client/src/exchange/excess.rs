//! What a server sends besides its answers, and what is there of an answer, found in the bytes of a connection.

use std::mem;

use bytes::Bytes;

/// Follows the bytes of a connection: which are answers, and which nobody has asked for.
#[derive(Debug, Default)]
pub(super) struct Excess {
    /// A request was sent whose answer has not come to its end.
    is_asked: bool,
    /// The answer has begun.
    has_begun: bool,
    /// The line has a byte before its line feed: to Postfix a carriage return is one as well.
    has_text: bool,
    /// The last byte is a carriage return.
    has_return: bool,
    /// The answer has a line `action=` that ends with CR LF: the beginning of the first one.
    returning: Option<Bytes>,
    /// The beginning of the answer's last line so far.
    line: Vec<u8>,
    /// The server sends no more.
    has_ended: bool,
    bytes: Vec<u8>,
}

/// An answer without its empty line.
#[derive(Debug)]
pub(super) struct Unfinished {
    /// The beginning of its last line.
    pub(super) line: Bytes,
    /// The connection has ended within it.
    pub(super) has_ended: bool,
}

impl Excess {
    /// A request, or a part of it, was sent.
    pub(super) const fn asked(&mut self) {
        self.is_asked = true;
    }

    /// These bytes have come.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.received_part(line);
        }
    }

    /// What has come besides answers since the last call.
    pub(super) fn take(&mut self) -> Vec<u8> {
        mem::take(&mut self.bytes)
    }

    /// The connection has ended.
    pub(super) const fn ended(&mut self) {
        self.has_ended = true;
    }

    /// The answer, where it has begun and not ended.
    pub(super) fn unfinished(&self) -> Option<Unfinished> {
        (self.is_asked && self.has_begun).then(|| Unfinished {
            line: Bytes::copy_from_slice(&self.line),
            has_ended: self.has_ended,
        })
    }

    /// The beginning of the last answer's `action=` line, where it ends with CR LF.
    pub(super) fn returning(&self) -> Option<Bytes> {
        self.returning.clone()
    }

    /// The rest of a line, or a part of it.
    fn received_part(&mut self, part: &[u8]) {
        let is_end = part.ends_with(b"\n");
        let is_begin = !self.has_text;
        self.has_text |= part != b"\n";
        let text = part.strip_suffix(b"\n").unwrap_or(part);
        let has_return = text.last().map_or(self.has_return, |byte| *byte == b'\r');
        self.has_return = has_return && !is_end;
        let is_empty = is_end && !self.has_text;
        // An empty line before an answer is one too many of the answer before.
        if !self.is_asked || is_empty && !self.has_begun {
            keep(&mut self.bytes, part);
        } else if is_empty {
            self.is_asked = false;
            self.has_begun = false;
        } else {
            if !self.has_begun {
                self.returning = None;
            }
            self.has_begun |= self.has_text;
            if is_begin {
                self.line.clear();
            }
            keep(&mut self.line, part);
            if is_end && has_return && self.line.starts_with(b"action=") {
                let line = || Bytes::copy_from_slice(&self.line);
                self.returning.get_or_insert_with(line);
            }
        }
        self.has_text &= !is_end;
    }
}

/// Keeps these bytes as well, as far as there is room.
fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = MAX_KEPT.saturating_sub(kept.len());
    kept.extend(bytes.iter().take(room));
}

/// As many bytes are kept, to be shown.
const MAX_KEPT: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_answer_is_found_in_whatever_pieces_it_comes() {
        for (answers, excess) in [
            (&["action=a\n\n", "action=b\n\n"][..], ""),
            (&["action=a\r\n\n", "x=y\naction=b\n\n"], ""),
            (&["action=a\n\n\n"], "\n"),
            (&["action=a\n\n\r\n"], "\r\n"),
            // All of it is one answer.
            (&["action=a\n\r\naction=b\n\n"], ""),
            (&["action=a\n\naction=b\n\n"], "action=b\n\n"),
            // It has come late, or is the beginning of what comes without a request.
            (&["action=a\n\n", "\naction=b\n\n"], "\n"),
            (&["action=a\n\n", "action=b"], ""),
        ] {
            for size in 1..20 {
                let mut found = Excess::default();
                for answer in answers {
                    found.asked();
                    for piece in answer.as_bytes().chunks(size) {
                        found.received(piece);
                    }
                }
                let taken = found.take();
                assert_eq!(
                    taken.escape_ascii().to_string(),
                    excess.escape_default().to_string(),
                    "{answers:?} {size}"
                );
            }
        }
        for (answer, line) in [
            ("action=a\r\n\n", "action=a\r\n"),
            ("action=a\n\r\n", ""),
            ("note=x\r\naction=a\n\n", ""),
        ] {
            for size in 1..20 {
                let mut found = Excess::default();
                found.asked();
                for piece in answer.as_bytes().chunks(size) {
                    found.received(piece);
                }
                let returning = found.returning().unwrap_or_default();
                assert_eq!(returning, line, "{answer:?} {size}");
            }
        }
        let mut found = Excess::default();
        found.received(b"220 hello\n");
        assert_eq!(found.take(), b"220 hello\n");
        found.received(&[b'x'; 1000]);
        assert_eq!(found.take().len(), MAX_KEPT);
    }
}
