//! The subject of a limit: the first of several values that a request has.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;

use crate::{
    chain::{Call, Key},
    config::Section,
    plugins::shared::fitted,
};

/// Who is limited.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Subject {
    /// As the parameter `key` names it: `client_address/24`.
    pub(super) label: String,
    /// In lower case.
    pub(super) value: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.label, self.value)
    }
}

/// The parameter `key`.
#[derive(Clone, Debug)]
pub(super) struct Subjects(Vec<Item>);

#[derive(Clone, Debug)]
struct Item {
    label: String,
    key: Key,
    /// The lengths of networks, IPv4 and IPv6.
    masks: Option<(u8, u8)>,
}

impl Subjects {
    pub(super) fn new(section: &mut Section<'_>) -> Self {
        let mut names = section.list("key");
        if names.is_empty() {
            names = DEFAULT.map(str::to_owned).to_vec();
        }
        let mut items = Vec::with_capacity(names.len());
        for label in names {
            match Item::parse(&label) {
                Some(item) => items.push(item),
                None => {
                    let text = format!(
                        "`{label}` is no key such as sasl_username, s:user or client_address/24/64"
                    );
                    section.error("key", text);
                }
            }
        }
        Self(items)
    }

    /// The first that has a value.
    pub(super) fn find(&self, call: &Call<'_>) -> Option<Subject> {
        self.0.iter().find_map(|item| {
            let value = call.value(&item.key).ok().flatten()?;
            item.subject(&value)
        })
    }

    /// All that a value may stand for.
    pub(super) fn all<'a>(&'a self, value: &'a str) -> impl Iterator<Item = Subject> + 'a {
        self.0.iter().filter_map(move |item| item.subject(value))
    }
}

impl Item {
    fn parse(label: &str) -> Option<Self> {
        let mut parts = label.split('/');
        let key = Key::parse(parts.next()?.trim());
        if matches!(key, Key::Nothing | Key::Unknown { .. }) {
            return None;
        }
        let mut mask = |longest: u8| -> Option<Option<u8>> {
            let Some(text) = parts.next() else {
                return Some(None);
            };
            let length = text
                .trim()
                .parse()
                .ok()
                .filter(|length| *length <= longest)?;
            Some(Some(length))
        };
        let (v4, v6) = (mask(32)?, mask(128)?);
        let is_end = parts.next().is_none();
        is_end.then(|| Self {
            label: label.to_owned(),
            key,
            masks: v4.map(|v4| (v4, v6.unwrap_or(V6))),
        })
    }

    fn subject(&self, value: &str) -> Option<Subject> {
        let value = value.trim();
        if value.is_empty() {
            return None;
        }
        let value = match self.masks {
            Some((v4, v6)) => {
                // What is shown may be given again.
                let address = value.split_once('/').map_or(value, |(address, _)| address);
                masked(address.parse().ok()?, v4, v6)
            }
            None => fitted(&value.to_ascii_lowercase(), MAX_VALUE).into_owned(),
        };
        Some(Subject {
            label: self.label.clone(),
            value,
        })
    }
}

/// The network around an address: `192.0.2.0/24`, or the address where that is all.
pub(super) fn masked(address: IpAddr, v4: u8, v6: u8) -> String {
    let address = address.to_canonical();
    let length = if address.is_ipv4() { v4 } else { v6 };
    match IpNet::new(address, length) {
        Ok(network) if network.prefix_len() < network.max_prefix_len() => {
            network.trunc().to_string()
        }
        _ => address.to_string(),
    }
}

const DEFAULT: [&str; 3] = ["sasl_username", "sender", "client_address/24"];
/// What a provider gives to a customer at least.
const V6: u8 = 64;
/// In characters. Longer values are none that a server would take.
const MAX_VALUE: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_cut_out_of_an_address() {
        for (address, v4, v6, expected) in [
            ("192.0.2.7", 24, 64, "192.0.2.0/24"),
            ("192.0.2.7", 32, 64, "192.0.2.7"),
            ("192.0.2.7", 0, 64, "0.0.0.0/0"),
            ("::ffff:192.0.2.7", 24, 64, "192.0.2.0/24"),
            ("2001:db8:1:2:3::4", 24, 64, "2001:db8:1:2::/64"),
            ("2001:db8:1:2:3::4", 24, 48, "2001:db8:1::/48"),
            ("2001:db8::1", 24, 128, "2001:db8::1"),
        ] {
            assert_eq!(
                masked(address.parse().unwrap(), v4, v6),
                expected,
                "{address}"
            );
        }
    }

    #[test]
    fn a_key_is_a_name_with_masks_or_none() {
        for (label, value, expected) in [
            ("sasl_username", " Alice ", Some("alice")),
            ("sasl_username", "", None),
            ("client_address/24", "192.0.2.7", Some("192.0.2.0/24")),
            ("client_address/24", "192.0.2.0/24", Some("192.0.2.0/24")),
            ("client_address/24", "unknown", None),
            (
                "client_address/16/56",
                "2001:db8:0:1ff::",
                Some("2001:db8:0:100::/56"),
            ),
        ] {
            let item = Item::parse(label).unwrap();
            let subject = item.subject(value).map(|subject| subject.value);
            assert_eq!(subject.as_deref(), expected, "{label} {value}");
        }
        let item = Item::parse("sasl_username").unwrap();
        let of = |value: &str| item.subject(value).unwrap().value;
        let long = "A".repeat(MAX_VALUE);
        assert_eq!(of(&long), long.to_ascii_lowercase());
        let [one, other] = ["X", "Y"].map(|end| of(&(long.clone() + end)));
        assert_ne!(one, other);
        assert_eq!(one, of(&(long + "x")));
        assert_eq!(one, of(&one), "what is shown may be given again");
        for label in ["", "x:y", "a/33", "a/24/129", "a/24/64/1", "a/b", "a/-1"] {
            assert!(Item::parse(label).is_none(), "{label}");
        }
    }
}
