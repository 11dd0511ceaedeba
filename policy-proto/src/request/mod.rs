//! A request: the bytes that arrived, proved valid.

use std::fmt;

use bytes::Bytes;

use crate::InvalidAttribute;

mod accessors;

mod attributes;
pub use attributes::Attributes;

mod state;
pub use state::ProtocolState;

/// A policy request: the bytes that arrived, proved valid.
///
/// There is no map and no index. A request is its wire form: lines `name=value`, each ended by a
/// line feed, and a blank line. Cloning counts a reference, forwarding writes [`as_bytes`](Self::as_bytes),
/// and a lookup scans some 700 bytes, which is nothing beside the round trip that follows.
///
/// Names and values are bytes: Postfix passes on what the client said, which need not be UTF-8.
/// Attributes keep their order and their duplicates. Source: `check_policy_service` in Postfix's
/// `smtpd_check.c`.
///
/// ```
/// use policy_proto::{ProtocolState, Request, attr};
///
/// let request = Request::from_attributes([
///     (attr::REQUEST, attr::SMTPD_ACCESS_POLICY),
///     (attr::PROTOCOL_STATE, "RCPT"),
///     (attr::RECIPIENT, "bob@example.org"),
/// ])?;
/// assert_eq!(request.get(attr::RECIPIENT), Some(&b"bob@example.org"[..]));
/// assert_eq!(request.protocol_state(), Some(ProtocolState::Rcpt));
/// assert_eq!(
///     request.as_bytes(),
///     b"request=smtpd_access_policy\nprotocol_state=RCPT\nrecipient=bob@example.org\n\n",
/// );
/// # Ok::<(), policy_proto::InvalidAttribute>(())
/// ```
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Request(Bytes);

impl Request {
    /// A request of these attributes, in this order.
    ///
    /// # Errors
    ///
    /// A name that is empty or holds `=`, NUL, CR or LF; a value that holds NUL, CR or LF; no
    /// attribute at all. So no value can smuggle in another attribute or a second request. Sizes are
    /// not checked here: what a peer accepts is the peer's to say.
    ///
    /// Up to 4 KiB this allocates once.
    ///
    /// ```
    /// use policy_proto::{InvalidAttribute, Request};
    ///
    /// let smuggled = Request::from_attributes([("sender", "a@example.com\nsasl_username=root")]);
    /// assert_eq!(smuggled, Err(InvalidAttribute::Value));
    /// ```
    pub fn from_attributes<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        attributes: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, InvalidAttribute> {
        // Postfix's requests are below this size, with the longest addresses too.
        let mut wire = Vec::with_capacity(4096);
        for (name, value) in attributes {
            let (name, value) = (name.as_ref(), value.as_ref());
            if name.is_empty() || holds(name, |byte| byte == b'=' || ends_line(byte)) {
                return Err(InvalidAttribute::Name);
            }
            if holds(value, ends_line) {
                return Err(InvalidAttribute::Value);
            }
            wire.reserve(name.len() + value.len() + 3);
            wire.extend_from_slice(name);
            wire.push(b'=');
            wire.extend_from_slice(value);
            wire.push(b'\n');
        }
        if wire.is_empty() {
            return Err(InvalidAttribute::None);
        }
        wire.push(b'\n');
        // A boxed slice becomes `Bytes` as it is; spare room would cost another allocation.
        Ok(Self(wire.into_boxed_slice().into()))
    }

    /// The value of the first attribute of this name; `None` where there is none.
    ///
    /// Linear in the size of the request.
    ///
    /// ```
    /// use policy_proto::Request;
    ///
    /// let request = Request::from_attributes([("a", "first"), ("a", "second"), ("b", "")])?;
    /// assert_eq!(request.get("a"), Some(&b"first"[..]));
    /// assert_eq!(request.get("b"), Some(&b""[..]));
    /// assert_eq!(request.get("c"), None);
    /// # Ok::<(), policy_proto::InvalidAttribute>(())
    /// ```
    #[must_use]
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        attributes::find(&self.0, name.as_ref())
    }

    /// The value of the last attribute of this name, which counts for programs that keep attributes in a table; `None`
    /// where there is none.
    ///
    /// Linear in the size of the request.
    ///
    /// ```
    /// use policy_proto::Request;
    ///
    /// let request = Request::from_attributes([("a", "first"), ("a", "second"), ("b", "")])?;
    /// assert_eq!(request.get_last("a"), Some(&b"second"[..]));
    /// assert_eq!(request.get_last("c"), None);
    /// # Ok::<(), policy_proto::InvalidAttribute>(())
    /// ```
    #[must_use]
    pub fn get_last(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        attributes::find_last(&self.0, name.as_ref())
    }

    /// All attributes as they came.
    ///
    /// ```
    /// use policy_proto::Request;
    ///
    /// let request = Request::from_attributes([("b", "1"), ("a", "x=y")])?;
    /// let all: Vec<_> = request.attributes().collect();
    /// assert_eq!(all, [(&b"b"[..], &b"1"[..]), (b"a", b"x=y")]);
    /// # Ok::<(), policy_proto::InvalidAttribute>(())
    /// ```
    #[must_use]
    pub fn attributes(&self) -> Attributes<'_> {
        Attributes::of(&self.0)
    }

    /// The request on the wire, its blank line included.
    ///
    /// ```
    /// use policy_proto::Request;
    ///
    /// let request = Request::from_attributes([("sender", "")])?;
    /// assert_eq!(request.as_bytes(), b"sender=\n\n");
    /// assert_eq!(request.clone().into_bytes(), request.as_bytes());
    /// # Ok::<(), policy_proto::InvalidAttribute>(())
    /// ```
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, shared and without a copy.
    ///
    /// ```
    /// use policy_proto::Request;
    ///
    /// let request = Request::from_attributes([("sender", "")])?;
    /// assert_eq!(request.into_bytes(), "sender=\n\n");
    /// # Ok::<(), policy_proto::InvalidAttribute>(())
    /// ```
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Bytes that the decoder has proved to be a request.
    pub(crate) fn from_valid(wire: Bytes) -> Self {
        Self(wire)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request(\"{}\")", self.0.escape_ascii())
    }
}

/// Whether one of the bytes is wanted. All are looked at, which the compiler does many at a time.
fn holds(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> bool {
    bytes
        .iter()
        .fold(false, |found, byte| found | wanted(*byte))
}

fn ends_line(byte: u8) -> bool {
    matches!(byte, 0 | b'\r' | b'\n')
}
