//! A response: the text of an action, valid by construction.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Action, InvalidResponse, Limits, grammar};

/// A policy server's answer: the text of its action, valid by construction.
///
/// It holds no NUL, CR or LF and is not blank, so that encoding cannot fail and a response can never
/// smuggle in a second one. It need not be UTF-8; but where `smtputf8_enable` is on (the default)
/// Postfix takes such an action for a failure and runs its default action.
///
/// ```
/// use bytes::BytesMut;
/// use policy_proto::{Action, Response};
///
/// let response = Response::new("REJECT 5.7.1 not today")?;
/// assert_eq!(response.action(), Action::Reject(b"5.7.1 not today"));
///
/// let mut wire = BytesMut::new();
/// response.encode(&mut wire);
/// assert_eq!(wire, "action=REJECT 5.7.1 not today\n\n");
/// # Ok::<(), policy_proto::InvalidResponse>(())
/// ```
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Response(Bytes);

impl Response {
    /// An answer with this text.
    ///
    /// # Errors
    ///
    /// A text that is blank, holds NUL, CR or LF, or makes a line longer than the default limit of
    /// 16 KiB.
    ///
    /// ```
    /// use policy_proto::{InvalidResponse, Response};
    ///
    /// assert_eq!(Response::new(" \t"), Err(InvalidResponse::Blank));
    /// let smuggled = Response::new("dunno\n\naction=OK");
    /// assert_eq!(smuggled, Err(InvalidResponse::ControlCharacter { offset: 5 }));
    /// ```
    pub fn new(text: impl Into<Bytes>) -> Result<Self, InvalidResponse> {
        let text = text.into();
        if let Some(offset) = memchr::memchr3(0, b'\r', b'\n', &text) {
            return Err(InvalidResponse::ControlCharacter { offset });
        }
        if grammar::is_blank(&text) {
            return Err(InvalidResponse::Blank);
        }
        let limit = Limits::DEFAULT.line;
        if grammar::ACTION.len() + text.len() > limit {
            return Err(InvalidResponse::TooLong { limit });
        }
        Ok(Self(text))
    }

    /// `dunno`: this server has no opinion, Postfix looks at its next restriction.
    ///
    /// ```
    /// use policy_proto::{Action, Response};
    ///
    /// assert_eq!(Response::dunno().as_bytes(), b"dunno");
    /// assert_eq!(Response::dunno().action(), Action::Dunno);
    /// ```
    #[must_use]
    pub const fn dunno() -> Self {
        Self(Bytes::from_static(b"dunno"))
    }

    /// The same answer in other memory, which holds a copy of its text: so it need not keep what it was
    /// read into. `None` if that is another text.
    ///
    /// ```
    /// use policy_proto::Response;
    ///
    /// let copy = bytes::Bytes::copy_from_slice(Response::dunno().as_bytes());
    /// assert_eq!(Response::dunno().moved_to(copy), Some(Response::dunno()));
    /// assert_eq!(Response::dunno().moved_to("OK"), None);
    /// ```
    #[must_use]
    pub fn moved_to(&self, copy: impl Into<Bytes>) -> Option<Self> {
        let copy = copy.into();
        (copy == self.0).then_some(Self(copy))
    }

    /// How Postfix will read it. Total: what is no known action is [`Action::Other`].
    ///
    /// ```
    /// use policy_proto::{Action, Response};
    ///
    /// assert_eq!(Response::new("HOLD for review")?.action(), Action::Hold(b"for review"));
    /// assert_eq!(Response::new("maybe")?.action(), Action::Other(b"maybe"));
    /// # Ok::<(), policy_proto::InvalidResponse>(())
    /// ```
    #[must_use]
    pub fn action(&self) -> Action<'_> {
        Action::parse(&self.0)
    }

    /// The text, byte for byte as it was sent.
    ///
    /// ```
    /// use policy_proto::Response;
    ///
    /// assert_eq!(Response::new(" REJECT ")?.as_bytes(), b" REJECT ");
    /// # Ok::<(), policy_proto::InvalidResponse>(())
    /// ```
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, unless it is not UTF-8.
    ///
    /// ```
    /// use policy_proto::Response;
    ///
    /// assert_eq!(Response::dunno().as_str(), Some("dunno"));
    /// assert_eq!(Response::new(&b"REJECT caf\xe9"[..])?.as_str(), None);
    /// # Ok::<(), policy_proto::InvalidResponse>(())
    /// ```
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        str::from_utf8(&self.0).ok()
    }

    /// Appends the answer as it goes over the wire: one `action=` line and a blank line.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use policy_proto::Response;
    ///
    /// let mut out = BytesMut::from("action=OK\n\n");
    /// Response::dunno().encode(&mut out);
    /// assert_eq!(out, "action=OK\n\naction=dunno\n\n");
    /// ```
    #[inline]
    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(grammar::ACTION.len() + self.0.len() + 2);
        out.put_slice(grammar::ACTION);
        out.put_slice(&self.0);
        out.put_slice(b"\n\n");
    }

    /// A text that the decoder has proved valid.
    pub(crate) fn from_valid(text: Bytes) -> Self {
        Self(text)
    }
}

impl TryFrom<Action<'_>> for Response {
    type Error = InvalidResponse;

    /// ```
    /// use policy_proto::{Action, Response};
    ///
    /// let response = Response::try_from(Action::DeferIfPermit(b"try later"))?;
    /// assert_eq!(response.as_str(), Some("DEFER_IF_PERMIT try later"));
    /// # Ok::<(), policy_proto::InvalidResponse>(())
    /// ```
    fn try_from(action: Action<'_>) -> Result<Self, InvalidResponse> {
        if let Action::Status { code, text } = action
            && (!(400..=599).contains(&code) || grammar::is_blank(text))
        {
            return Err(InvalidResponse::Status);
        }
        let mut text = BytesMut::new();
        action.encode(&mut text);
        Self::new(text.freeze())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response(\"{}\")", self.0.escape_ascii())
    }
}
