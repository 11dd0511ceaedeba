//! Lines that a lenient decoder leaves out of requests, for its caller's log.

use bytes::Bytes;

/// Lines of a request that a [lenient](crate::MessageDecoder::lenient) decoder has left out: the first ones,
/// and a count of the others. What is kept does not grow with what a peer sends.
///
/// ```
/// use bytes::BytesMut;
/// use policy_proto::{MessageDecoder, SkippedLines};
///
/// let mut decoder = MessageDecoder::new().lenient();
/// let mut buf = BytesMut::from(&b"x\n".repeat(1000)[..]);
/// assert_eq!(decoder.request(&mut buf)?, None);
///
/// let skipped = decoder.take_skipped();
/// assert_eq!(skipped.lines, ["x"; SkippedLines::MAX_LINES]);
/// assert_eq!(skipped.more, 992);
/// # Ok::<(), policy_proto::DecodeError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SkippedLines {
    /// The first lines of a request, at most [`MAX_LINES`](Self::MAX_LINES), in order and without their
    /// ends. A longer one than [`MAX_LINE`](Self::MAX_LINE) is cut.
    pub lines: Vec<Bytes>,
    /// How many lines came after these.
    pub more: u64,
}

impl SkippedLines {
    /// As many lines of one request are kept: enough to see what a client speaks.
    pub const MAX_LINES: usize = 8;
    /// As many bytes of a line are kept: enough for a line of a log.
    pub const MAX_LINE: usize = 512;

    /// Whether nothing was left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.more == 0
    }

    /// Adds a line, which is the one after so many others of its request. A caller that takes none of
    /// them has those of all requests count together.
    pub(crate) fn push(&mut self, line: &[u8], others: usize) {
        if others.max(self.lines.len()) < Self::MAX_LINES {
            let kept = line.get(..Self::MAX_LINE).unwrap_or(line);
            self.lines.push(Bytes::copy_from_slice(kept));
        } else {
            self.more = self.more.saturating_add(1);
        }
    }
}
