use std::{fmt, net::IpAddr, str::FromStr};

use bytes::Bytes;

use crate::{
    InvalidAttribute, ProtocolState, attr,
    attributes::{self, Attributes},
    xtext,
};

/// A policy request: the bytes that arrived, proved valid.
///
/// There is no map and no index. A request is its wire form: lines `name=value`, each ended by a
/// line feed, and a blank line. Cloning counts a reference, forwarding writes [`as_bytes`](Self::as_bytes),
/// and a lookup scans some 700 bytes, which is nothing beside the round trip that follows.
///
/// Names and values are bytes: Postfix passes on what the client said, which need not be UTF-8.
/// Attributes keep their order and their duplicates.
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
    /// ```
    /// use policy_proto::{InvalidAttribute, Request};
    ///
    /// let smuggled = Request::from_attributes([("sender", "a@example.com\nsasl_username=root")]);
    /// assert_eq!(smuggled, Err(InvalidAttribute::Value));
    /// ```
    pub fn from_attributes<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        attributes: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, InvalidAttribute> {
        // A typical request of Postfix is below this size.
        let mut wire = Vec::with_capacity(1024);
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

    /// The same, shared and without a copy.
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

    /// Whether this is what Postfix sends: `request=smtpd_access_policy`.
    ///
    /// ```
    /// use policy_proto::Request;
    ///
    /// assert!(Request::from_attributes([("request", "smtpd_access_policy")])?.is_access_policy());
    /// assert!(!Request::from_attributes([("request", "junk")])?.is_access_policy());
    /// # Ok::<(), policy_proto::InvalidAttribute>(())
    /// ```
    #[must_use]
    pub fn is_access_policy(&self) -> bool {
        self.get(attr::REQUEST) == Some(attr::SMTPD_ACCESS_POLICY.as_bytes())
    }

    /// The SMTP stage; `None` for one that this crate does not know.
    /// ```
    /// use policy_proto::{ProtocolState, Request};
    ///
    /// let at = |stage| Request::from_attributes([("protocol_state", stage)]).unwrap();
    /// assert_eq!(at("DATA").protocol_state(), Some(ProtocolState::Data));
    /// assert_eq!(at("QUIT").protocol_state(), None);
    /// ```
    #[must_use]
    pub fn protocol_state(&self) -> Option<ProtocolState> {
        ProtocolState::parse(self.get(attr::PROTOCOL_STATE)?)
    }

    /// The client's address; `None` where Postfix does not know it.
    ///
    /// ```
    /// use policy_proto::Request;
    ///
    /// let from = |address| Request::from_attributes([("client_address", address)]).unwrap();
    /// assert_eq!(from("2001:db8::1").client_address(), Some("2001:db8::1".parse().unwrap()));
    /// assert_eq!(from("unknown").client_address(), None);
    /// ```
    #[must_use]
    pub fn client_address(&self) -> Option<IpAddr> {
        self.parsed(attr::CLIENT_ADDRESS)
    }

    /// The address that the client connected to. Postfix 3.2.
    ///
    /// ```
    /// use policy_proto::Request;
    ///
    /// let request = Request::from_attributes([("server_address", "192.0.2.1"), ("server_port", "25")])?;
    /// assert_eq!(request.server_address(), Some([192, 0, 2, 1].into()));
    /// assert_eq!(request.server_port(), Some(25));
    /// assert_eq!(request.client_port(), None);
    /// # Ok::<(), policy_proto::InvalidAttribute>(())
    /// ```
    #[must_use]
    pub fn server_address(&self) -> Option<IpAddr> {
        self.parsed(attr::SERVER_ADDRESS)
    }

    /// The client's TCP port; `None` where Postfix does not know it. Postfix 3.0.
    /// ```
    /// use policy_proto::Request;
    ///
    /// let from = |port| Request::from_attributes([("client_port", port)]).unwrap();
    /// assert_eq!(from("50123").client_port(), Some(50123));
    /// assert_eq!(from("0").client_port(), None);
    /// ```
    #[must_use]
    pub fn client_port(&self) -> Option<u16> {
        self.parsed(attr::CLIENT_PORT).filter(|port| *port != 0)
    }

    /// The port that the client connected to; `None` where Postfix does not know it. Postfix 3.2.
    /// ```
    /// use policy_proto::Request;
    ///
    /// let to = |port| Request::from_attributes([("server_port", port)]).unwrap();
    /// assert_eq!(to("25").server_port(), Some(25));
    /// assert_eq!(to("0").server_port(), None);
    /// ```
    #[must_use]
    pub fn server_port(&self) -> Option<u16> {
        self.parsed(attr::SERVER_PORT).filter(|port| *port != 0)
    }

    /// The message's size in bytes, as announced, or as it is at END-OF-MESSAGE; `None` where it is
    /// not known, which Postfix writes as `0`.
    ///
    /// ```
    /// use policy_proto::Request;
    ///
    /// let sized = |size| Request::from_attributes([("size", size)]).unwrap();
    /// assert_eq!(sized("12345").size(), Some(12345));
    /// assert_eq!(sized("0").size(), None);
    /// assert_eq!(sized("99999999999999999999").size(), None);
    /// ```
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.parsed(attr::SIZE).filter(|size| *size != 0)
    }

    /// How many recipients were accepted; `None` before DATA, where Postfix writes `0`.
    /// ```
    /// use policy_proto::Request;
    ///
    /// let counted = |count| Request::from_attributes([("recipient_count", count)]).unwrap();
    /// assert_eq!(counted("3").recipient_count(), Some(3));
    /// assert_eq!(counted("0").recipient_count(), None);
    /// ```
    #[must_use]
    pub fn recipient_count(&self) -> Option<u32> {
        self.parsed(attr::RECIPIENT_COUNT)
            .filter(|count| *count != 0)
    }

    /// The client certificate's common name, decoded from xtext; `None` without a verified
    /// certificate, or where the value is not xtext.
    ///
    /// ```
    /// use policy_proto::Request;
    ///
    /// let request = Request::from_attributes([("ccert_subject", "Alice+20Doe")])?;
    /// assert_eq!(request.ccert_subject().as_deref(), Some(&b"Alice Doe"[..]));
    /// # Ok::<(), policy_proto::InvalidAttribute>(())
    /// ```
    #[must_use]
    pub fn ccert_subject(&self) -> Option<Vec<u8>> {
        self.decoded(attr::CCERT_SUBJECT)
    }

    /// The common name of that certificate's issuer, decoded from xtext.
    /// ```
    /// use policy_proto::Request;
    ///
    /// let issued = |name| Request::from_attributes([("ccert_issuer", name)]).unwrap();
    /// assert_eq!(issued("Example+20CA").ccert_issuer().as_deref(), Some(&b"Example CA"[..]));
    /// assert_eq!(issued("50+").ccert_issuer(), None);
    /// assert_eq!(issued("").ccert_issuer(), None);
    /// ```
    #[must_use]
    pub fn ccert_issuer(&self) -> Option<Vec<u8>> {
        self.decoded(attr::CCERT_ISSUER)
    }

    /// Bytes that the decoder has proved to be a request.
    pub(crate) fn from_valid(wire: Bytes) -> Self {
        Self(wire)
    }

    fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        str::from_utf8(self.get(name)?).ok()?.parse().ok()
    }

    fn decoded(&self, name: &str) -> Option<Vec<u8>> {
        let value = self.get(name).filter(|value| !value.is_empty())?;
        xtext::decode(value).ok()
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
