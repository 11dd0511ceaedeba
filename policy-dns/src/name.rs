//! A domain name as DNS knows it: labels of bytes, in lower case.

use std::{fmt, net::IpAddr, sync::Arc};

use thiserror::Error;

/// A domain name: labels of any bytes, in lower case, absolute.
///
/// No IDNA and no rules for host names: `a_b.test` and `user=a.test` are names like any other. Names that differ
/// in the case of ASCII letters are equal.
///
/// ```
/// use policy_dns::Name;
///
/// let name = Name::parse("Mail.Acme.test.")?;
/// assert_eq!(name.to_string(), "mail.acme.test");
/// assert_eq!(name.labels().count(), 3);
/// assert!(name.is_within(&Name::parse("acme.test")?));
/// # Ok::<(), policy_dns::NameError>(())
/// ```
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name {
    /// Each label after its length; the root has none. It is shared: a question goes through several hands.
    wire: Arc<[u8]>,
}

impl Name {
    /// Reads labels separated by dots, with or without a dot at the end. There are no escapes: a label that
    /// holds a dot is made by [`from_labels`](Self::from_labels). `.` is the root.
    ///
    /// # Errors
    ///
    /// An empty label, a label of more than 63 bytes, a name of more than 253.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, NameError> {
        let text = text.as_ref();
        let text = text.strip_suffix(b".").unwrap_or(text);
        if text.is_empty() {
            return Ok(Self::root());
        }
        Self::from_labels(text.split(|&byte| byte == b'.'))
    }

    /// Builds a name of its labels, the one of the host first.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse).
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, NameError> {
        let (mut wire, mut end) = ([0; MAX_WIRE], 0);
        for label in labels {
            let length = u8::try_from(label.len())
                .ok()
                .filter(|&length| length <= MAX_LABEL);
            let length = length.ok_or(NameError::LongLabel)?;
            if length == 0 {
                return Err(NameError::EmptyLabel);
            }
            let place = wire.get_mut(end..=end + label.len());
            let (first, rest) = place
                .and_then(<[u8]>::split_first_mut)
                .ok_or(NameError::Long)?;
            *first = length;
            rest.copy_from_slice(label);
            rest.make_ascii_lowercase();
            end += 1 + label.len();
        }
        let wire = wire.get(..end).unwrap_or_default();
        Ok(Self { wire: wire.into() })
    }

    /// The root, which has no labels.
    #[must_use]
    pub fn root() -> Self {
        Self {
            wire: Arc::default(),
        }
    }

    /// The name under which DNS keeps the name of `address`: `4.3.2.1.in-addr.arpa`, nibbles under `ip6.arpa`.
    #[must_use]
    pub fn reverse(address: IpAddr) -> Self {
        let zone: [&[u8]; 2] = if address.is_ipv4() {
            [b"in-addr", b"arpa"]
        } else {
            [b"ip6", b"arpa"]
        };
        let name = Self::from_labels(zone).and_then(|zone| Self::reversed_below(address, &zone));
        // 34 labels of at most 7 bytes: they always fit.
        name.unwrap_or_else(|_| Self::root())
    }

    /// The octets or nibbles of an address, the last one first, below `zone`, as in DNS lists (RFC 5782, 2).
    ///
    /// # Errors
    ///
    /// [`NameError::Long`].
    pub fn reversed_below(address: IpAddr, zone: &Self) -> Result<Self, NameError> {
        match address {
            IpAddr::V4(address) => {
                let text = address.to_string();
                let octets = text.rsplit('.').map(str::as_bytes);
                Self::from_labels(octets.chain(zone.labels()))
            }
            IpAddr::V6(address) => {
                let octets = address.octets().into_iter().rev();
                let nibbles = octets.flat_map(|octet| [octet & 15, octet >> 4]);
                let digits = nibbles
                    .map(usize::from)
                    .filter_map(|nibble| DIGITS.get(nibble..=nibble));
                Self::from_labels(digits.chain(zone.labels()))
            }
        }
    }

    /// This name below `zone`.
    ///
    /// # Errors
    ///
    /// [`NameError::Long`].
    pub fn below(&self, zone: &Self) -> Result<Self, NameError> {
        Self::from_labels(self.labels().chain(zone.labels()))
    }

    /// The labels, the one of the host first.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.wire;
        std::iter::from_fn(move || {
            let (&length, tail) = rest.split_first()?;
            let (label, tail) = tail.split_at_checked(length.into())?;
            rest = tail;
            Some(label)
        })
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.wire.is_empty()
    }

    /// Whether this is `zone` or a name below it.
    #[must_use]
    pub fn is_within(&self, zone: &Self) -> bool {
        let more = self.labels().count().checked_sub(zone.labels().count());
        more.is_some_and(|more| self.labels().skip(more).eq(zone.labels()))
    }

    /// The name without its first label; the root has none.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let length = usize::from(*self.wire.first()?);
        Some(Self {
            wire: self.wire.get(length + 1..)?.into(),
        })
    }

    /// The bytes that the name takes in memory, about.
    #[cfg(feature = "hickory")]
    pub(crate) fn size(&self) -> usize {
        self.wire.len()
    }

    /// Each label after its length, without the root at the end.
    #[cfg(feature = "hickory")]
    pub(crate) fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// The labels joined by dots, without escapes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.labels().collect::<Vec<_>>().join(&b'.')
    }
}

/// Labels joined by dots. Dots and backslashes within a label are escaped by a backslash, bytes that do not print
/// by their decimal number, as in zone files.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for (index, label) in self.labels().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            for &byte in label {
                match byte {
                    b'.' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                    b'!'..=b'~' => write!(f, "{}", char::from(byte))?,
                    _ => write!(f, "\\{byte:03}")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

/// Why a text is no domain name (RFC 1035, 2.3.4).
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum NameError {
    /// Two dots in a row, or one at the beginning.
    #[error("empty label")]
    EmptyLabel,
    /// A label of more than 63 bytes.
    #[error("label of more than 63 bytes")]
    LongLabel,
    /// More than 253 bytes in all.
    #[error("name of more than 253 bytes")]
    Long,
}

/// The labels of an IPv6 address.
const DIGITS: &[u8] = b"0123456789abcdef";
const MAX_LABEL: u8 = 63;
/// 255 with the root's length byte (RFC 1035, 3.1), which is not kept here.
const MAX_WIRE: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_dns() {
        let (label, four) = (
            "a".repeat(63),
            format!("{0}.{0}.{0}.{1}", "a".repeat(63), "a".repeat(61)),
        );
        for (text, expected) in [
            (label.clone(), Ok(())),
            (format!("{label}a"), Err(NameError::LongLabel)),
            (four.clone(), Ok(())),
            (format!("{four}a"), Err(NameError::Long)),
            (format!("{four}."), Ok(())),
            ("a..b".into(), Err(NameError::EmptyLabel)),
            (".a".into(), Err(NameError::EmptyLabel)),
            ("a..".into(), Err(NameError::EmptyLabel)),
            (".".into(), Ok(())),
            (String::new(), Ok(())),
        ] {
            assert_eq!(Name::parse(&text).map(|_| ()), expected, "{text}");
        }
    }

    #[test]
    fn a_name_is_its_labels() {
        let name = Name::from_labels([&b"a.b"[..], b"C\\", b"\x80 d"]).unwrap();
        assert_eq!(name.to_string(), r"a\.b.c\\.\128\032d");
        assert_eq!(name.to_bytes(), b"a.b.c\\.\x80 d");
        assert_eq!(name.parent().unwrap().labels().next(), Some(&b"c\\"[..]));
        assert_eq!(Name::root().to_string(), ".");
        assert_eq!(Name::root().parent(), None);
        assert_eq!(format!("{:?}", Name::parse("X.y").unwrap()), "\"x.y\"");
    }

    #[test]
    fn within_is_by_labels() {
        let zone = Name::parse("acme.test").unwrap();
        for (name, within) in [
            ("acme.test", true),
            ("a.ACME.test", true),
            ("xacme.test", false),
            ("test", false),
        ] {
            assert_eq!(
                Name::parse(name).unwrap().is_within(&zone),
                within,
                "{name}"
            );
        }
        assert!(zone.is_within(&Name::root()));
        assert_eq!(
            Name::parse("www")
                .unwrap()
                .below(&zone)
                .unwrap()
                .to_string(),
            "www.acme.test"
        );
    }

    #[test]
    fn addresses_are_reversed() {
        let reverse = |text: &str| Name::reverse(text.parse().unwrap()).to_string();
        assert_eq!(reverse("192.0.2.10"), "10.2.0.192.in-addr.arpa");
        let nibbles = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2";
        assert_eq!(reverse("2001:db8::1"), format!("{nibbles}.ip6.arpa"));
    }
}
