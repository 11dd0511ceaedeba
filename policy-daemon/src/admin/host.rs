//! The names by which the admin listener is asked. A browser that a foreign page has sent here asks by the page's own name,
//! which somebody has had lead to this address (DNS rebinding): it is shown nothing.

use std::{fs, net::IpAddr};

use policy_socket::Endpoint;

use crate::listen::address::ListenAddr;

/// The names by which the admin listener is asked, in lower case.
#[derive(Clone, Debug, Default)]
pub(super) struct HostNames(Vec<String>);

impl HostNames {
    /// `localhost`, this machine's own name, and those that the addresses of the listener are given by.
    pub(super) fn new(addresses: &[String]) -> Self {
        let mut names = vec!["localhost".to_owned()];
        names.extend(machine());
        let given = addresses
            .iter()
            .filter_map(|text| text.parse::<ListenAddr>().ok());
        names.extend(given.filter_map(|address| match address.endpoint {
            Endpoint::Inet { host, .. } => Some(host),
            _ => None,
        }));
        for name in &mut names {
            name.make_ascii_lowercase();
        }
        Self(names)
    }

    /// Whether a request for this host, which may have a port, is for the listener. So is one by an address.
    pub(super) fn has(&self, host: &str) -> bool {
        let name = without_port(host.trim());
        if name.parse::<IpAddr>().is_ok() {
            return true;
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        self.0.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// The name of this machine, where it can be read.
fn machine() -> Option<String> {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let text = files
        .into_iter()
        .find_map(|path| fs::read_to_string(path).ok())?;
    Some(text.trim().to_owned()).filter(|name| !name.is_empty())
}

/// A host without its port, and an address of IPv6 without brackets.
fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    match host.rsplit_once(':') {
        Some((name, _)) if !name.contains(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_that_are_given_are_the_listeners_and_no_others() {
        let names = HostNames::new(&[
            "inet:127.0.0.1:9105".to_owned(),
            "inet:Admin.Example.com:9105".to_owned(),
            "unix:/run/admin".to_owned(),
        ]);
        for (host, is_ours) in [
            ("127.0.0.1", true),
            ("127.0.0.1:9105", true),
            ("192.0.2.7:9105", true),
            ("[::1]:9105", true),
            ("[::1]", true),
            ("::1", true),
            ("localhost", true),
            ("LOCALHOST:9105", true),
            ("localhost.", true),
            ("admin.example.com:9105", true),
            (" localhost ", true),
            ("", false),
            (":9105", false),
            ("evil.example", false),
            ("evil.example:9105", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("[evil.example]", false),
            ("admin.example.com@evil.example", false),
        ] {
            assert_eq!(names.has(host), is_ours, "'{host}'");
        }
    }

    #[test]
    fn the_machines_own_name_is_one() {
        let Some(name) = machine() else { return };
        assert!(HostNames::new(&[]).has(&format!("{name}:9105")));
    }
}
