//! A response: the text of an action, valid by construction.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{InvalidResponse, Limits, grammar};

mod action;
pub use action::Action;

mod action_set;
pub use action_set::ActionSet;

mod shown;
use shown::Shown;

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
    /// An answer with this text, which is not looked into.
    ///
    /// Postfix takes a text that is all digits, such as `450`, for `OK`: a code needs a text after it. A word that is no
    /// action it takes for the name of a restriction, and what it does not know ends in a "451 4.3.5 Server
    /// configuration error". An answer made of an [`Action`], or by the functions below, is checked.
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

    /// `DUNNO`: this server has no opinion, Postfix looks at its next restriction.
    ///
    /// ```
    /// use policy_proto::{Action, Response};
    ///
    /// assert_eq!(Response::dunno().as_bytes(), b"DUNNO");
    /// assert_eq!(Ok(Response::dunno()), Response::try_from(Action::Dunno));
    /// ```
    #[must_use]
    pub const fn dunno() -> Self {
        Self(Bytes::from_static(b"DUNNO"))
    }

    /// `REJECT` with this text: the mail is refused, with `access_map_reject_code` (554) unless the text begins with an
    /// enhanced status code such as `5.7.1`.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new). This and the next ones take what `format!` makes.
    ///
    /// ```
    /// use policy_proto::Response;
    ///
    /// let limit = 100;
    /// let response = Response::reject(format!("5.7.1 more than {limit} recipients"))?;
    /// assert_eq!(response.to_string(), "REJECT 5.7.1 more than 100 recipients");
    /// # Ok::<(), policy_proto::InvalidResponse>(())
    /// ```
    pub fn reject(text: impl AsRef<[u8]>) -> Result<Self, InvalidResponse> {
        Action::Reject(text.as_ref()).try_into()
    }

    /// `DEFER` with this text: the mail is refused for now (450).
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn defer(text: impl AsRef<[u8]>) -> Result<Self, InvalidResponse> {
        Action::Defer(text.as_ref()).try_into()
    }

    /// `DEFER_IF_PERMIT` with this text: the mail is refused for now unless a later restriction refuses it for good, as
    /// a greylist does.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    ///
    /// ```
    /// use policy_proto::Response;
    ///
    /// let response = Response::defer_if_permit("4.2.0 greylisted")?;
    /// assert_eq!(response.to_string(), "DEFER_IF_PERMIT 4.2.0 greylisted");
    /// # Ok::<(), policy_proto::InvalidResponse>(())
    /// ```
    pub fn defer_if_permit(text: impl AsRef<[u8]>) -> Result<Self, InvalidResponse> {
        Action::DeferIfPermit(text.as_ref()).try_into()
    }

    /// `PREPEND` with this header: it is put before the message. Postfix does not take it at END-OF-MESSAGE.
    ///
    /// # Errors
    ///
    /// A text that is no header, and as for [`new`](Self::new).
    ///
    /// ```
    /// use policy_proto::Response;
    ///
    /// let response = Response::prepend("X-Greylist: delayed 60 seconds")?;
    /// assert_eq!(response.to_string(), "PREPEND X-Greylist: delayed 60 seconds");
    /// let error = Response::prepend("delayed").unwrap_err();
    /// assert_eq!(error.to_string(), "PREPEND needs a header, such as 'X-Name: value'");
    /// # Ok::<(), policy_proto::InvalidResponse>(())
    /// ```
    pub fn prepend(header: impl AsRef<[u8]>) -> Result<Self, InvalidResponse> {
        Action::Prepend(header.as_ref()).try_into()
    }

    /// This answer in other memory, which holds a copy of its text: so it need not keep what it was
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
    /// assert_eq!(Response::dunno().as_str(), Some("DUNNO"));
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
    /// assert_eq!(out, "action=OK\n\naction=DUNNO\n\n");
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

    /// An error where Postfix would not take the action for what it says: a code without a text, `FILTER`, `PREPEND`,
    /// `REDIRECT` or `BCC` without what they need.
    ///
    /// ```
    /// use policy_proto::{Action, Response};
    ///
    /// let response = Response::try_from(Action::DeferIfPermit(b"try later"))?;
    /// assert_eq!(response.as_str(), Some("DEFER_IF_PERMIT try later"));
    /// let error = Response::try_from(Action::Redirect(b"alice")).unwrap_err();
    /// assert_eq!(error.to_string(), "REDIRECT needs user@domain");
    /// # Ok::<(), policy_proto::InvalidResponse>(())
    /// ```
    fn try_from(action: Action<'_>) -> Result<Self, InvalidResponse> {
        action.check()?;
        let mut text = BytesMut::new();
        action.encode(&mut text);
        Self::new(text.freeze())
    }
}

/// The text, control characters and what is not UTF-8 escaped.
impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(&self.0).fmt(f)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response(\"{}\")", self.0.escape_ascii())
    }
}
