//! Lists of users and clients: names, domains, addresses and networks.

use std::net::IpAddr;

use ipnet::IpNet;

/// A list of users and clients.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    /// Names in lower case.
    names: Vec<String>,
    /// `@example.com`, in lower case.
    domains: Vec<String>,
    networks: Vec<IpNet>,
}

impl Members {
    pub(super) fn new(items: &[String]) -> Self {
        let mut members = Self::default();
        for item in items {
            let network = item.parse::<IpNet>();
            let address = || item.parse::<IpAddr>().map(IpNet::from);
            if let Ok(network) = network.or_else(|_| address()) {
                members.networks.push(network);
            } else if item.starts_with('@') {
                members.domains.push(item.to_ascii_lowercase());
            } else {
                members.names.push(item.to_ascii_lowercase());
            }
        }
        members
    }

    /// Whether a name in lower case is in it, or a client's address.
    pub(super) fn contains(&self, name: &str, client: Option<IpAddr>) -> bool {
        let client = client.map(|client| client.to_canonical());
        self.names.iter().any(|of| of == name)
            || self.domains.iter().any(|domain| name.ends_with(domain))
            || client.is_some_and(|client| self.networks.iter().any(|of| of.contains(&client)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_domains_addresses_and_networks_are_members() {
        let items = [
            "Alice",
            "@Example.com",
            "192.0.2.1",
            "2001:db8::/32",
            "10.0.0.0/8",
        ];
        let members = Members::new(&items.map(str::to_owned));
        for (name, client, is_member) in [
            ("alice", None, true),
            ("bob", None, false),
            ("bob@example.com", None, true),
            ("bob@mail.example.com", None, false),
            ("bob", Some("192.0.2.1"), true),
            ("bob", Some("192.0.2.2"), false),
            ("bob", Some("2001:db8:7::1"), true),
            ("bob", Some("::ffff:10.1.2.3"), true),
        ] {
            let client = client.map(|client| client.parse().unwrap());
            assert_eq!(
                members.contains(name, client),
                is_member,
                "{name} {client:?}"
            );
        }
    }
}
