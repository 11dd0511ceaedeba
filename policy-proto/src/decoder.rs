//! The streaming decoder of requests and responses.

use std::mem;

use bytes::{Buf, BytesMut};

use crate::{
    DecodeError, Ignored, Limits, Request, Response, grammar,
    lines::{check, leading_action, plain_action, rewritten, without_cr},
    place::Place,
    scan::Verdict,
    work::looked_at,
};

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
/// use policy_proto::Decoder;
///
/// let mut decoder = Decoder::new();
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
pub struct Decoder {
    limits: Limits,
    lenient: bool,
    /// What is known of the message at the beginning of the buffer.
    place: Place,
    /// Lines that were no attributes, for the caller's log.
    ignored: Option<Box<Ignored>>,
    /// Bytes of the last response that have been taken, while its blank line is still owed.
    owed: Option<usize>,
    failed: Option<DecodeError>,
}

impl Decoder {
    /// A strict decoder with the default limits: what Postfix sends passes, and nothing else has to.
    ///
    /// ```
    /// use policy_proto::{DecodeError, Decoder};
    ///
    /// let error = Decoder::new().request(&mut "EHLO there\n".into()).unwrap_err();
    /// assert_eq!(error, DecodeError::NoEquals { offset: 0 });
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with other limits.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use policy_proto::{DecodeError, Decoder, Limits};
    ///
    /// let mut decoder = Decoder::new().with_limits(Limits::default().with_line(10));
    /// let error = decoder.request(&mut BytesMut::from("0123456789a")).unwrap_err();
    /// assert_eq!(error, DecodeError::LineTooLong { limit: 10 });
    /// ```
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same, but lines of a request that are no attributes are left out of it instead of being
    /// an error, and kept for [`take_ignored`](Self::take_ignored).
    ///
    /// A proxy that replaces a lenient program wants this; a policy server does not, since Postfix
    /// never sends such lines.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use policy_proto::Decoder;
    ///
    /// let mut decoder = Decoder::new().lenient();
    /// let mut buf = BytesMut::from("EHLO there\nrequest=smtpd_access_policy\n\n");
    /// let request = decoder.request(&mut buf)?.expect("a whole request");
    /// assert_eq!(request.as_bytes(), b"request=smtpd_access_policy\n\n");
    /// assert_eq!(decoder.take_ignored().lines, ["EHLO there"]);
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
    /// What is wrong, and where; see [`DecodeError`]. The same again on every later call: a stream
    /// is lost after an error. Lines that are left out count towards the message's limit until a
    /// request ends.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use policy_proto::{DecodeError, Decoder};
    ///
    /// let mut decoder = Decoder::new();
    /// let mut buf = BytesMut::from("size=1\n\nsize=2\nsize\n");
    /// let request = decoder.request(&mut buf)?.expect("a whole request");
    /// assert_eq!(request.size(), Some(1));
    /// assert_eq!(decoder.request(&mut buf), Err(DecodeError::NoEquals { offset: 7 }));
    /// # Ok::<(), DecodeError>(())
    /// ```
    #[inline]
    pub fn request(&mut self, buf: &mut BytesMut) -> Result<Option<Request>, DecodeError> {
        if self.place.scan.is_quiet(buf) {
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
    /// use policy_proto::{DecodeError, Decoder};
    ///
    /// let mut decoder = Decoder::new();
    /// let mut buf = BytesMut::from("action=dunno\n");
    /// assert_eq!(decoder.response(&mut buf)?.unwrap().as_str(), Some("dunno"));
    /// assert!(!decoder.skip_rest(&mut buf)?, "the blank line is still owed");
    /// buf.extend_from_slice(b"\n");
    /// assert!(decoder.skip_rest(&mut buf)?);
    ///
    /// let mut banner = BytesMut::from("220 mail.example.com ESMTP\r\n");
    /// assert_eq!(Decoder::new().response(&mut banner), Err(DecodeError::NoEquals { offset: 0 }));
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
    /// use policy_proto::Decoder;
    ///
    /// let mut decoder = Decoder::new();
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
    /// use policy_proto::{DecodeError, Decoder};
    ///
    /// let mut decoder = Decoder::new();
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
    /// [8](Ignored::MAX_LINES), and a count of the others. Always empty for a strict decoder.
    ///
    /// Take them after each call of [`request`](Self::request). Until then no more than these are
    /// kept, whatever comes.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use policy_proto::Decoder;
    ///
    /// let mut decoder = Decoder::new().lenient();
    /// let mut buf = BytesMut::from("one\n=two\r\na=3\n\n");
    /// decoder.request(&mut buf)?;
    /// assert_eq!(decoder.take_ignored().lines, ["one", "=two"]);
    /// assert!(decoder.take_ignored().is_empty());
    /// # Ok::<(), policy_proto::DecodeError>(())
    /// ```
    pub fn take_ignored(&mut self) -> Ignored {
        let ignored = self.ignored.take();
        ignored.map(|ignored| *ignored).unwrap_or_default()
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

    fn next_request(&mut self, buf: &mut BytesMut) -> Result<Option<Request>, DecodeError> {
        loop {
            if !self.place.doubtful {
                match self.place.scan.advance(buf, self.limits) {
                    Verdict::End(end) => {
                        self.place = Place::default();
                        let message = buf.split_to(end + 1).freeze();
                        return Ok(Some(Request::from_valid(message)));
                    }
                    Verdict::More => return Ok(None),
                    Verdict::Doubt => self.place.doubtful = true,
                }
            }
            match self.next_request_by_line(buf)? {
                // A blank line has been skipped: behind it the fast path tries anew.
                None if !self.place.doubtful => {}
                request => return Ok(request),
            }
        }
    }

    /// The same where the fast path has given up.
    #[inline(never)]
    fn next_request_by_line(&mut self, buf: &mut BytesMut) -> Result<Option<Request>, DecodeError> {
        while let Some(end) = self.line_end(buf)? {
            let offset = self.place.line;
            let (line, cr) = without_cr(&buf[offset..end]);
            self.place.rewrite |= cr;
            if line.is_empty() && self.place.begun {
                let message = buf.split_to(end + 1);
                let message = match mem::take(&mut self.place).rewrite {
                    true => rewritten(&message),
                    false => message.freeze(),
                };
                return Ok(Some(Request::from_valid(message)));
            }
            if line.is_empty() && offset == 0 {
                buf.advance(end + 1);
                self.place = Place::default();
                return Ok(None);
            }
            if line.is_empty() {
                // Behind lines that are left out it belongs to the message: these have to count towards
                // its limit, or they could come for ever.
                self.place.rewrite = true;
            } else if let Err(error) = check(line, offset) {
                if !self.lenient {
                    return Err(error);
                }
                self.place.rewrite = true;
                let others = self.place.ignored;
                self.ignored.get_or_insert_default().push(line, others);
                self.place.ignored += 1;
            } else {
                self.place.begun = true;
            }
            self.place.next_line(end);
        }
        Ok(None)
    }

    /// The next response, if all of it has come at once with its blank line, as it does as a rule.
    fn whole_response(&self, buf: &mut BytesMut) -> Option<Response> {
        if !self.place.is_new() || self.owed.is_some() || self.failed.is_some() {
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

    fn next_response(&mut self, buf: &mut BytesMut) -> Result<Option<Response>, DecodeError> {
        if !self.skip_owed(buf)? {
            return Ok(None);
        }
        while let Some(end) = self.line_end(buf)? {
            let offset = self.place.line;
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
                self.place = Place::default();
                self.owed = (!is_whole).then_some(end + 1);
                return Ok(Some(Response::from_valid(action)));
            }
            self.place.next_line(end);
        }
        Ok(None)
    }

    fn skip_owed(&mut self, buf: &mut BytesMut) -> Result<bool, DecodeError> {
        while let Some(taken) = self.owed {
            let Some(end) = self.line_end(buf)? else {
                return Ok(false);
            };
            let blank = without_cr(&buf[..end]).0.is_empty();
            buf.advance(end + 1);
            self.place = Place::default();
            self.owed = (!blank).then_some(taken + end + 1);
        }
        Ok(true)
    }

    /// Where the current line's end is, once it has arrived.
    fn line_end(&mut self, buf: &[u8]) -> Result<Option<usize>, DecodeError> {
        self.place
            .line_end(buf, self.limits, self.owed.unwrap_or(0))
    }
}
