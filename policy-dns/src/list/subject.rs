//! The subject that is looked for in a list: an address or a domain.

use std::net::IpAddr;

use crate::Name;

/// The subject that is looked for in a list: an address or a domain.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Subject {
    /// An address. An IPv4 address that is written as one of IPv6 (`::ffff:192.0.2.1`) counts as IPv4.
    Address(IpAddr),
    /// A domain.
    Domain(Name),
}

impl Subject {
    /// The domain in a HELO name, a client's name or after the `@` of a sender; none if it is no domain that a
    /// list can have: an address, one label, Postfix's `unknown`.
    ///
    /// ```
    /// use policy_dns::list::Subject;
    ///
    /// assert!(Subject::domain("Mail.Acme.test.").is_some());
    /// for text in ["", "unknown", "localhost", "192.0.2.1", "[192.0.2.1]", "2001:db8::1", "a..test"] {
    ///     assert_eq!(Subject::domain(text), None);
    /// }
    /// ```
    #[must_use]
    pub fn domain(text: impl AsRef<[u8]>) -> Option<Self> {
        let text = text.as_ref();
        let is_address = text.iter().any(|byte| b":[]".contains(byte))
            || text
                .split(|&byte| byte == b'.')
                .all(|label| label.iter().all(u8::is_ascii_digit));
        let name = Name::parse(text)
            .ok()
            .filter(|name| !is_address && name.labels().count() > 1)?;
        Some(Self::Domain(name))
    }
}

impl From<IpAddr> for Subject {
    fn from(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

impl From<Name> for Subject {
    fn from(name: Name) -> Self {
        Self::Domain(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_domain_is_not_looked_for() {
        for (text, is_domain) in [
            ("mail.acme.test", true),
            ("Acme.Test.", true),
            ("1.acme.test", true),
            ("localhost", false),
            ("unknown", false),
            ("", false),
            (".", false),
            ("192.0.2.1", false),
            ("[192.0.2.1]", false),
            ("2001:db8::1", false),
            ("a..test", false),
        ] {
            assert_eq!(Subject::domain(text).is_some(), is_domain, "{text}");
        }
    }
}
