//! The codes of a list: addresses, ranges, networks and bits.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use thiserror::Error;

/// A set of codes, as a text with commas.
///
/// | item | what it means |
/// | --- | --- |
/// | `127.0.0.2` | this code |
/// | `127.0.0.4-7`, `127.0.1.2-127.0.1.99` | these and those between |
/// | `127.255.255.0/24` | a network |
/// | `127.0.*.3` | any octet in one place, or more |
/// | `&8`, `&0.0.1.0` | any of these bits is set, for lists that are several in one |
///
/// ```
/// use policy_dns::list::Codes;
///
/// let codes: Codes = "127.0.0.2-3, &64".parse()?;
/// assert!(codes.contain([127, 0, 0, 3].into()));
/// assert!(codes.contain([127, 0, 0, 80].into()));
/// assert!(!codes.contain([127, 0, 0, 4].into()));
/// assert!("127.0.0.9-2".parse::<Codes>().is_err());
/// # Ok::<(), policy_dns::list::CodesError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Codes {
    items: Vec<Item>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Item {
    Range(Ipv4Addr, Ipv4Addr),
    /// The octets that count, and what they have to be.
    Pattern([Option<u8>; 4]),
    Bits(u32),
}

impl Codes {
    /// Whether a code is in the set.
    #[must_use]
    pub fn contain(&self, code: Ipv4Addr) -> bool {
        self.items.iter().any(|item| match *item {
            Item::Range(first, last) => (first..=last).contains(&code),
            Item::Pattern(octets) => octets
                .iter()
                .zip(code.octets())
                .all(|(octet, got)| octet.is_none_or(|octet| octet == got)),
            Item::Bits(bits) => code.to_bits() & bits != 0,
        })
    }
}

/// A text that is no set of codes.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("'{0}' is no code, range, network or mask")]
pub struct CodesError(String);

impl FromStr for Codes {
    type Err = CodesError;

    fn from_str(text: &str) -> Result<Self, CodesError> {
        let items = text.split(',').map(str::trim);
        let items = items.map(|item| Item::parse(item).ok_or_else(|| CodesError(item.into())));
        Ok(Self {
            items: items.collect::<Result<_, _>>()?,
        })
    }
}

impl Item {
    fn parse(text: &str) -> Option<Self> {
        if let Some(bits) = text.strip_prefix('&') {
            let octet = bits.parse().ok().map(|octet: u8| u32::from(octet));
            let bits = octet.or_else(|| Some(bits.parse::<Ipv4Addr>().ok()?.to_bits()))?;
            return (bits != 0).then_some(Self::Bits(bits));
        }
        if let Some((network, length)) = text.split_once('/') {
            let (network, length) = (
                network.parse::<Ipv4Addr>().ok()?.to_bits(),
                length.parse::<u32>().ok()?,
            );
            let host_bits = u32::MAX.checked_shr(length).unwrap_or(0);
            let is_network = length <= 32 && network & host_bits == 0;
            return is_network.then(|| Self::Range(network.into(), (network | host_bits).into()));
        }
        if text.contains('*') {
            let octet = |octet: &str| {
                if octet == "*" {
                    Some(None)
                } else {
                    octet.parse().ok().map(Some)
                }
            };
            let octets = text.split('.').map(octet).collect::<Option<Vec<_>>>()?;
            return octets.try_into().ok().map(Self::Pattern);
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let first: Ipv4Addr = first.parse().ok()?;
        let [a, b, c, _] = first.octets();
        let octet = last
            .parse()
            .ok()
            .map(|last: u8| Ipv4Addr::new(a, b, c, last));
        let last = octet.or_else(|| last.parse().ok())?;
        (first <= last).then_some(Self::Range(first, last))
    }
}

impl fmt::Display for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.items.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match item {
                Item::Range(first, last) if first == last => write!(f, "{comma}{first}")?,
                Item::Range(first, last) => write!(f, "{comma}{first}-{last}")?,
                Item::Pattern(octets) => {
                    let octets = octets
                        .map(|octet| octet.map_or_else(|| "*".into(), |octet| octet.to_string()));
                    write!(f, "{comma}{}", octets.join("."))?;
                }
                Item::Bits(bits) => write!(f, "{comma}&{}", Ipv4Addr::from(*bits))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read() {
        for (text, inside, outside) in [
            (
                "127.0.0.2",
                vec!["127.0.0.2"],
                vec!["127.0.0.1", "127.0.0.3"],
            ),
            (
                "127.0.0.4-7",
                vec!["127.0.0.4", "127.0.0.7"],
                vec!["127.0.0.3", "127.0.0.8"],
            ),
            (
                "127.0.1.2-127.0.1.99",
                vec!["127.0.1.2", "127.0.1.99"],
                vec!["127.0.1.1", "127.0.1.100"],
            ),
            (
                "127.255.255.0/24",
                vec!["127.255.255.0", "127.255.255.255"],
                vec!["127.255.254.255"],
            ),
            ("0.0.0.0/0", vec!["0.0.0.0", "255.255.255.255"], vec![]),
            ("127.0.0.2/32", vec!["127.0.0.2"], vec!["127.0.0.3"]),
            (
                "&216",
                vec!["127.0.0.8", "127.0.0.18", "127.0.0.128"],
                vec!["127.0.0.6"],
            ),
            (
                "&0.0.1.0",
                vec!["127.0.1.0", "127.0.3.0"],
                vec!["127.0.2.1"],
            ),
            (
                "127.0.*.3",
                vec!["127.0.0.3", "127.0.255.3"],
                vec!["127.0.0.2", "127.1.0.3"],
            ),
            (
                "127.0.0.2,127.0.0.9",
                vec!["127.0.0.2", "127.0.0.9"],
                vec!["127.0.0.5"],
            ),
        ] {
            let codes: Codes = text.parse().unwrap();
            let again: Codes = codes.to_string().parse().unwrap();
            for (addresses, contained) in [(inside, true), (outside, false)] {
                for address in addresses {
                    assert_eq!(
                        codes.contain(address.parse().unwrap()),
                        contained,
                        "{address} in {text}"
                    );
                    assert_eq!(
                        again.contain(address.parse().unwrap()),
                        contained,
                        "{address} in {codes}"
                    );
                }
            }
        }
        assert!(!Codes::default().contain([127, 0, 0, 2].into()));
        for text in ["127.0.0.2", "127.0.0.2-127.0.0.3,127.*.0.1,&0.0.0.8"] {
            assert_eq!(text.parse::<Codes>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for text in [
            "",
            "127.0.0",
            "127.0.0.5-4",
            "127.0.0.2-300",
            "&0",
            "&x",
            "127.0.0.1/24",
            "127.0.0.0/33",
            "1-2",
            "127.0.*",
            "127.0.*.x",
        ] {
            let error = format!("127.0.0.2,{text}").parse::<Codes>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("'{text}' is no code, range, network or mask")
            );
        }
    }
}
