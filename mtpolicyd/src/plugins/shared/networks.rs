//! Networks in a parameter, such as those that a check leaves alone.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::Section;

/// Networks.
#[derive(Clone, Debug, Default)]
pub(in crate::plugins) struct Networks(Vec<IpNet>);

impl Networks {
    /// The networks and addresses in a parameter, with commas or blanks between them.
    pub(in crate::plugins) fn read(section: &mut Section<'_>, key: &str) -> Self {
        let text = section.text(key).unwrap_or_default();
        let mut networks = Self::default();
        for item in text.split([',', ' ', '\t']).filter(|item| !item.is_empty()) {
            if !networks.add(item) {
                section.error(
                    key,
                    format!("`{key}`: `{item}` is no address and no network"),
                );
            }
        }
        networks
    }

    /// These and more. An item that is none is left out.
    pub(in crate::plugins) fn with(mut self, items: &[&str]) -> Self {
        for item in items {
            self.add(item);
        }
        self
    }

    pub(in crate::plugins) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether the item is a network; bits beyond its length do not count, as with NetAddr::IP.
    fn add(&mut self, item: &str) -> bool {
        let network = item
            .parse::<IpNet>()
            .or_else(|_| item.parse::<IpAddr>().map(IpNet::from));
        if let Ok(network) = network {
            self.0.push(network.trunc());
        }
        network.is_ok()
    }
}

/// Addresses of the machine itself.
pub(in crate::plugins) const LOCAL: &[&str] = &["127.0.0.0/8", "::1/128"];
