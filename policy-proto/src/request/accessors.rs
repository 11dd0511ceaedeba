//! Attributes of a request as types: only where a type prevents mistakes. Each is named after its attribute,
//! where its source stands: [`attr`].

use std::{net::IpAddr, str::FromStr, sync::LazyLock};

use memchr::{memchr, memmem::Finder};

use crate::{ProtocolState, Request, attr, xtext};

impl Request {
    /// The message that this request is about, by the name that Postfix gives it: all requests of one delivery have the
    /// same. `None` if it is missing or empty.
    ///
    /// The value that [`get`](Self::get) finds, in a quarter of the time: a proxy asks for it with each request.
    ///
    /// ```
    /// use policy_proto::Request;
    ///
    /// let request = Request::from_attributes([("size", "1"), ("instance", "1a2b.3c.0")])?;
    /// assert_eq!(request.instance(), Some(&b"1a2b.3c.0"[..]));
    /// let request = Request::from_attributes([("instance", "")])?;
    /// assert_eq!(request.instance(), None);
    /// # Ok::<(), policy_proto::InvalidAttribute>(())
    /// ```
    #[must_use]
    pub fn instance(&self) -> Option<&[u8]> {
        static LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\ninstance="));
        let wire = self.as_bytes();
        let begin = if wire.starts_with(b"instance=") {
            b"instance=".len()
        } else {
            LINE.find(wire)? + b"\ninstance=".len()
        };
        let rest = wire.get(begin..)?;
        let value = rest.get(..memchr(b'\n', rest)?)?;
        (!value.is_empty()).then_some(value)
    }

    /// The envelope sender; `None` where it is empty, as for a bounce and before MAIL, or missing.
    ///
    /// Source: [`attr::SENDER`].
    ///
    /// ```
    /// use policy_proto::Request;
    ///
    /// let from = |sender| Request::from_attributes([("sender", sender)]).unwrap();
    /// assert_eq!(from("alice@example.net").sender(), Some(&b"alice@example.net"[..]));
    /// assert_eq!(from("").sender(), None);
    /// ```
    #[must_use]
    pub fn sender(&self) -> Option<&[u8]> {
        self.present(attr::SENDER)
    }

    /// The envelope recipient; `None` where it is empty, as before RCPT, and at DATA and END-OF-MESSAGE of several
    /// recipients, or missing.
    ///
    /// Source: [`attr::RECIPIENT`].
    ///
    /// ```
    /// use policy_proto::Request;
    ///
    /// let to = |recipient| Request::from_attributes([("recipient", recipient)]).unwrap();
    /// assert_eq!(to("bob@example.org").recipient(), Some(&b"bob@example.org"[..]));
    /// assert_eq!(to("").recipient(), None);
    /// ```
    #[must_use]
    pub fn recipient(&self) -> Option<&[u8]> {
        self.present(attr::RECIPIENT)
    }

    /// The login name of a client that has authenticated; `None` for any other, for whom Postfix sends an empty value:
    /// so what is counted by login does not put all other mail together.
    ///
    /// Source: [`attr::SASL_USERNAME`].
    ///
    /// ```
    /// use policy_proto::Request;
    ///
    /// let by = |name| Request::from_attributes([("sasl_username", name)]).unwrap();
    /// assert_eq!(by("alice").sasl_username(), Some(&b"alice"[..]));
    /// assert_eq!(by("").sasl_username(), None);
    /// ```
    #[must_use]
    pub fn sasl_username(&self) -> Option<&[u8]> {
        self.present(attr::SASL_USERNAME)
    }

    /// Whether this is what Postfix sends: `request=smtpd_access_policy`.
    ///
    /// Source: [`attr::REQUEST`].
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
        // Postfix says it first, and each request is asked.
        self.as_bytes().starts_with(FIRST_LINE)
            || self.get(attr::REQUEST) == Some(attr::SMTPD_ACCESS_POLICY.as_bytes())
    }

    /// The SMTP stage; `None` for one that this crate does not know.
    ///
    /// Source: [`attr::PROTOCOL_STATE`].
    ///
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
    /// Source: [`attr::CLIENT_ADDRESS`].
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
    /// Source: [`attr::SERVER_ADDRESS`].
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
    ///
    /// Source: [`attr::CLIENT_PORT`].
    ///
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
    ///
    /// Source: [`attr::SERVER_PORT`].
    ///
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
    /// Source: [`attr::SIZE`].
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
    ///
    /// Source: [`attr::RECIPIENT_COUNT`].
    ///
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
    /// Source: [`attr::CCERT_SUBJECT`].
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
    ///
    /// Source: [`attr::CCERT_ISSUER`].
    ///
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

    fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        str::from_utf8(self.get(name)?).ok()?.parse().ok()
    }

    fn decoded(&self, name: &str) -> Option<Vec<u8>> {
        xtext::decode(self.present(name)?).ok()
    }

    fn present(&self, name: &str) -> Option<&[u8]> {
        self.get(name).filter(|value| !value.is_empty())
    }
}

const FIRST_LINE: &[u8] = b"request=smtpd_access_policy\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_for_a_policy_server_wherever_it_says_so_first() {
        let kind = (attr::REQUEST, attr::SMTPD_ACCESS_POLICY);
        let other = (attr::REQUEST, "smtpd_access_policy2");
        for (attributes, is_ours) in [
            (&[kind][..], true),
            (&[("sender", ""), kind], true),
            (&[kind, other], true),
            (&[other, kind], false),
            (&[("size", "1")], false),
        ] {
            let request = Request::from_attributes(attributes.iter().copied()).unwrap();
            assert_eq!(request.is_access_policy(), is_ours, "{attributes:?}");
        }
    }
}
