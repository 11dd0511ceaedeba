//! The streaming decoder of requests and responses.

use bytes::{Buf, BytesMut};

use crate::{DecodeError, Limits, Request, Response};

mod cursor;
mod lines;
mod requests;
mod responses;
mod scan;
mod skipped;

pub use skipped::SkippedLines;

use cursor::Cursor;
use lines::without_cr;

/// Reads requests, or responses, out of a stream of bytes, however it is cut.
///
/// The decoder keeps its place: call it again after each read, with the same buffer, and it goes on
/// where it stopped. Its work is linear in the bytes, also when they come one by one. One decoder
/// serves one direction of one connection: either [`request`](Self::request) or
/// [`response`](Self::response), not both.
///
/// A line may end in CR LF as well as LF; a decoded request always has LF. Blank lines between
/// requests are skipped.
///
/// ```
/// use bytes::BytesMut;
/// use policy_proto::MessageDecoder;
///
/// let mut decoder = MessageDecoder::new();
/// let mut buf = BytesMut::from("request=smtpd_access_policy\nsender=a@exam");
/// assert_eq!(decoder.request(&mut buf)?, None);
///
/// buf.extend_from_slice(b"ple.com\n\nrequest=");
/// let request = decoder.request(&mut buf)?.expect("a whole request has arrived");
/// assert_eq!(request.get("sender"), Some(&b"a@example.com"[..]));
/// assert_eq!(buf, "request=");
/// # Ok::<(), policy_proto::DecodeError>(())
/// ```
#[derive(Debug, Default)]
pub struct MessageDecoder {
    limits: Limits,
    lenient: bool,
    /// The place in the message at the beginning of the buffer.
    cursor: Cursor,
    /// Lines that were no attributes, for the caller's log.
    skipped: Option<Box<SkippedLines>>,
    /// Bytes of the last response that have been taken, while its blank line is still owed.
    owed: Option<usize>,
    failed: Option<DecodeError>,
}

impl MessageDecoder {
    /// A strict decoder with the default limits: what Postfix sends passes, and nothing else has to.
    ///
    /// ```
    /// use policy_proto::{DecodeError, MessageDecoder};
    ///
    /// let error = MessageDecoder::new().request(&mut "EHLO there\n".into()).unwrap_err();
    /// assert!(matches!(error, DecodeError::NoEquals { offset: 0, .. }));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets other limits.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use policy_proto::{DecodeError, MessageDecoder, Limits};
    ///
    /// let mut decoder = MessageDecoder::new().with_limits(Limits::default().with_line(10));
    /// let error = decoder.request(&mut BytesMut::from("0123456789a")).unwrap_err();
    /// assert!(matches!(error, DecodeError::LineTooLong { limit: 10, .. }));
    /// ```
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets leniency: lines of a request that are no attributes are left out of it instead of being
    /// an error, and kept for [`take_skipped`](Self::take_skipped).
    ///
    /// A proxy that replaces a lenient program wants this; a policy server does not, since Postfix
    /// never sends such lines.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use policy_proto::MessageDecoder;
    ///
    /// let mut decoder = MessageDecoder::new().lenient();
    /// let mut buf = BytesMut::from("EHLO there\nrequest=smtpd_access_policy\n\n");
    /// let request = decoder.request(&mut buf)?.expect("a whole request");
    /// assert_eq!(request.as_bytes(), b"request=smtpd_access_policy\n\n");
    /// assert_eq!(decoder.take_skipped().lines, ["EHLO there"]);
    /// # Ok::<(), policy_proto::DecodeError>(())
    /// ```
    #[must_use]
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// The next request, taken off the front of `buf`; `None` until a whole one has arrived.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] says what is wrong, and where. The same again on every later call: a stream
    /// is lost after an error. Lines that are left out count towards the message's limit until a
    /// request ends.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use policy_proto::{DecodeError, MessageDecoder};
    ///
    /// let mut decoder = MessageDecoder::new();
    /// let mut buf = BytesMut::from("size=1\n\nsize=2\nsize\n");
    /// let request = decoder.request(&mut buf)?.expect("a whole request");
    /// assert_eq!(request.size(), Some(1));
    /// let error = decoder.request(&mut buf).unwrap_err();
    /// assert!(matches!(error, DecodeError::NoEquals { offset: 7, .. }));
    /// # Ok::<(), DecodeError>(())
    /// ```
    #[inline]
    pub fn request(&mut self, buf: &mut BytesMut) -> Result<Option<Request>, DecodeError> {
        if self.cursor.scan.is_quiet(buf) {
            return Ok(None);
        }
        self.fallible(|decoder| decoder.next_request(buf))
    }

    /// The next response, taken off the front of `buf` as soon as its `action=` line is complete:
    /// some servers omit or delay the blank line. What is left of the response before is skipped.
    ///
    /// Attributes before `action=` are skipped as well. A line that is none is an error at once, and
    /// so is a blank one: the greeting of another protocol must not cost a time-out.
    ///
    /// # Errors
    ///
    /// As for [`request`](Self::request); leniency has no effect here.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use policy_proto::{DecodeError, MessageDecoder};
    ///
    /// let mut decoder = MessageDecoder::new();
    /// let mut buf = BytesMut::from("action=dunno\n");
    /// assert_eq!(decoder.response(&mut buf)?.unwrap().as_str(), Some("dunno"));
    /// assert!(!decoder.skip_rest(&mut buf)?, "the blank line is still owed");
    /// buf.extend_from_slice(b"\n");
    /// assert!(decoder.skip_rest(&mut buf)?);
    ///
    /// let mut banner = BytesMut::from("220 mail.example.com ESMTP\r\n");
    /// let error = MessageDecoder::new().response(&mut banner).unwrap_err();
    /// assert!(matches!(error, DecodeError::NoEquals { offset: 0, .. }));
    /// # Ok::<(), policy_proto::DecodeError>(())
    /// ```
    pub fn response(&mut self, buf: &mut BytesMut) -> Result<Option<Response>, DecodeError> {
        if let Some(response) = self.whole_response(buf) {
            return Ok(Some(response));
        }
        self.fallible(|decoder| decoder.next_response(buf))
    }

    /// Skips what is left of the last response, up to and with its blank line; whether that has
    /// arrived. While it has not, or if `buf` still holds bytes after it, the connection must not be
    /// used for another request.
    ///
    /// # Errors
    ///
    /// As for [`response`](Self::response).
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use policy_proto::MessageDecoder;
    ///
    /// let mut decoder = MessageDecoder::new();
    /// let mut buf = BytesMut::from("action=dunno\nnote=x\n\n");
    /// decoder.response(&mut buf)?;
    /// assert!(decoder.skip_rest(&mut buf)? && buf.is_empty(), "ready for the next request");
    /// # Ok::<(), policy_proto::DecodeError>(())
    /// ```
    #[inline]
    pub fn skip_rest(&mut self, buf: &mut BytesMut) -> Result<bool, DecodeError> {
        if self.owed.is_none() && self.failed.is_none() {
            return Ok(true);
        }
        self.fallible(|decoder| decoder.skip_owed(buf))
    }

    /// To be called at the end of the stream, with what is left in the buffer once
    /// [`request`](Self::request) or [`response`](Self::response) has found nothing more in it.
    ///
    /// # Errors
    ///
    /// [`DecodeError::UnexpectedEnd`] within a message. A response whose blank line never came is
    /// complete.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use policy_proto::{DecodeError, MessageDecoder};
    ///
    /// let mut decoder = MessageDecoder::new();
    /// let mut buf = BytesMut::from("request=smtpd_acc");
    /// assert_eq!(decoder.request(&mut buf)?, None);
    /// assert_eq!(decoder.finish(&buf), Err(DecodeError::UnexpectedEnd));
    /// # Ok::<(), DecodeError>(())
    /// ```
    pub fn finish(&self, buf: &BytesMut) -> Result<(), DecodeError> {
        match self.failed {
            Some(error) => Err(error),
            None if buf.is_empty() || self.owed.is_some() => Ok(()),
            None => Err(DecodeError::UnexpectedEnd),
        }
    }

    /// The lines that were left out since the last call: of each request the first
    /// [8](SkippedLines::MAX_LINES), and a count of the others. Always empty for a strict decoder.
    ///
    /// Take them after each call of [`request`](Self::request). Until then no more than these are
    /// kept, whatever comes.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use policy_proto::MessageDecoder;
    ///
    /// let mut decoder = MessageDecoder::new().lenient();
    /// let mut buf = BytesMut::from("one\n=two\r\na=3\n\n");
    /// decoder.request(&mut buf)?;
    /// assert_eq!(decoder.take_skipped().lines, ["one", "=two"]);
    /// assert!(decoder.take_skipped().is_empty());
    /// # Ok::<(), policy_proto::DecodeError>(())
    /// ```
    pub fn take_skipped(&mut self) -> SkippedLines {
        let skipped = self.skipped.take();
        skipped.map(|skipped| *skipped).unwrap_or_default()
    }

    fn fallible<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        step(self).inspect_err(|error| self.failed = Some(*error))
    }

    fn skip_owed(&mut self, buf: &mut BytesMut) -> Result<bool, DecodeError> {
        while let Some(taken) = self.owed {
            let Some(end) = self.line_end(buf)? else {
                return Ok(false);
            };
            let blank = without_cr(&buf[..end]).0.is_empty();
            buf.advance(end + 1);
            self.cursor = Cursor::default();
            self.owed = (!blank).then_some(taken + end + 1);
        }
        Ok(true)
    }

    /// Where the current line's end is, once it has arrived.
    fn line_end(&mut self, buf: &[u8]) -> Result<Option<usize>, DecodeError> {
        self.cursor
            .line_end(buf, self.limits, self.owed.unwrap_or(0))
    }
}
