//! The registered domain of a name, by the public suffix list.

use crate::Name;

/// The domain that somebody has registered, of which a name is a part: `example.co.uk` of `mail.example.co.uk`.
///
/// By the [public suffix list](https://publicsuffix.org), which is compiled in: it is as old as the crate `psl` in
/// the build. Its private section counts: the registered domain of `a.b.github.io` is `b.github.io`.
///
/// ```
/// use policy_dns::{Name, RegisteredDomain, Suffix};
///
/// let domain = RegisteredDomain::of(&Name::parse("Mail.Example.CO.UK")?).ok_or("none")?;
/// assert_eq!(domain.name().to_string(), "example.co.uk");
/// assert_eq!(domain.suffix(), Suffix::Icann);
/// assert_eq!(domain.label(), b"example");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct RegisteredDomain {
    name: Name,
    suffix: Suffix,
}

/// Where the part below which a domain is registered is known from.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Suffix {
    /// A top level domain and its parts.
    Icann,
    /// A company's own: `github.io`.
    Private,
    /// The list does not have it: the last label counts, as the list says.
    Unknown,
}

impl RegisteredDomain {
    /// The registered domain of a name; none if the name is a suffix itself, or no name of a host: an address,
    /// the root, a label with a dot in it.
    #[must_use]
    pub fn of(name: &Name) -> Option<Self> {
        let is_number = name.labels().last()?.iter().all(u8::is_ascii_digit);
        if is_number || name.labels().any(|label| label.contains(&b'.')) {
            return None;
        }
        // The list is compared by bytes; a `Name` is in lower case.
        let text = name.to_bytes();
        let domain = psl::domain(&text)?;
        let suffix = match domain.suffix().typ() {
            Some(psl::Type::Icann) => Suffix::Icann,
            Some(psl::Type::Private) => Suffix::Private,
            None => Suffix::Unknown,
        };
        Some(Self {
            name: Name::parse(domain.as_bytes()).ok()?,
            suffix,
        })
    }

    /// The registered domain.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Its first label, which its owner has chosen.
    #[must_use]
    pub fn label(&self) -> &[u8] {
        self.name.labels().next().unwrap_or_default()
    }

    /// Where its suffix is known from.
    #[must_use]
    pub fn suffix(&self) -> Suffix {
        self.suffix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_those_of_the_list() {
        use Suffix::*;
        for (name, expected) in [
            ("acme.com", Some(("acme.com", Icann))),
            ("a.b.ACME.com.", Some(("acme.com", Icann))),
            ("A.B.EXAMPLE.CO.UK", Some(("example.co.uk", Icann))),
            ("a.b.github.io", Some(("b.github.io", Private))),
            ("x.y.www.ck", Some(("www.ck", Icann))),
            ("x.y.other.ck", Some(("y.other.ck", Icann))),
            ("mail.acme.test", Some(("acme.test", Unknown))),
            (
                "xn--85x722f.xn--55qx5d.cn",
                Some(("xn--85x722f.xn--55qx5d.cn", Icann)),
            ),
            ("com", None),
            ("co.uk", None),
            ("github.io", None),
            ("localhost", None),
            ("1.2.3.4", None),
            ("", None),
        ] {
            let domain = RegisteredDomain::of(&Name::parse(name).unwrap());
            let got = domain.map(|domain| (domain.name().to_string(), domain.suffix()));
            assert_eq!(
                got,
                expected.map(|(name, suffix)| (name.to_owned(), suffix)),
                "{name}"
            );
        }
        let dotted = Name::from_labels([&b"a.b"[..], b"com"]).unwrap();
        assert_eq!(RegisteredDomain::of(&dotted), None);
    }
}
