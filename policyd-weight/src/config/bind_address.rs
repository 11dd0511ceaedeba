//! The address for requests, as IO::Socket::INET reads `$BIND_ADDRESS` and `$TCP_PORT`: hosts and services have names, too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use policy_daemon::{LOOK_UP_TIME, look_up};
use policy_net::{Endpoint, InvalidEndpoint};

use super::{Loaded, finding::Finding};
use crate::perl::Variables;

/// A host, which may be a name that is resolved at the start only, and a port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct BindAddress {
    endpoint: Endpoint,
    host: String,
    port: u16,
    /// The name of a service, if the port is written so.
    service: Option<String>,
    /// The option that the port is written in.
    port_option: &'static str,
}

impl BindAddress {
    /// Reads both options. Nothing is asked about a host, so a reload needs no DNS.
    ///
    /// # Errors
    ///
    /// What is no host, and a port that is no number and no service.
    pub(crate) fn new(options: &Variables) -> Result<Self, Finding> {
        let text = |name: &str| options.scalar(name).to_string().trim().to_owned();
        let (address, port) = (text("BIND_ADDRESS"), text("TCP_PORT"));
        let (host, own_port) = split(&address);
        // A port of the address counts, and its faults are that option's.
        let (option, written, port) = match own_port {
            Some(own) => ("$BIND_ADDRESS", &address, own.to_owned()),
            None => ("$TCP_PORT", &port, port.clone()),
        };
        let host = host_of(host);
        let shown = if host.parse::<Ipv6Addr>().is_ok() {
            format!("[{host}]")
        } else {
            host
        };
        let error = |option: &str, text: &str, error: InvalidEndpoint| {
            Finding::error(&[option], format!("{option} is '{text}': {error}"))
        };
        let with = |port: &str| format!("inet:{shown}:{port}").parse::<Endpoint>();
        // The host alone first: each fault has its own option.
        with("1").map_err(|fault| error("$BIND_ADDRESS", &address, fault))?;
        let (name, otherwise) = with_number(&port);
        let found = with(name).or_else(|fault| otherwise.map_or(Err(fault), with));
        let endpoint = found.map_err(|fault| error(option, written, fault))?;
        let Endpoint::Inet { host, port: number } = endpoint.clone() else {
            return Err(error(
                "$BIND_ADDRESS",
                &address,
                InvalidEndpoint::Host(shown),
            ));
        };
        let is_name = !port.bytes().all(|byte| byte.is_ascii_digit());
        Ok(Self {
            endpoint,
            host,
            port: number,
            service: is_name.then_some(port),
            port_option: option,
        })
    }

    /// Both, before the host is resolved.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The option that the port is written in: `$BIND_ADDRESS` may have one, too.
    pub(crate) fn port_option(&self) -> &'static str {
        self.port_option
    }

    /// Whether the system chooses the port.
    pub(crate) fn has_any_port(&self) -> bool {
        self.port == 0
    }

    /// The host, if it is a name.
    pub(crate) fn host_name(&self) -> Option<&str> {
        let is_name = self.host.parse::<IpAddr>().is_err();
        is_name.then_some(&self.host)
    }

    /// The name of a service with its port, if the port is written so.
    pub(crate) fn service(&self) -> Option<(&str, u16)> {
        Some((self.service.as_deref()?, self.port))
    }

    /// The address. Of several addresses of a host the first one of IPv4, as in the Perl program, which has no others.
    ///
    /// # Errors
    ///
    /// The host is not known, or not found within 6 s.
    pub(crate) fn resolve(&self) -> Result<SocketAddr, Finding> {
        let host = &self.host;
        let unknown = |reason: String| {
            let text = format!("$BIND_ADDRESS is '{host}', which has no address: {reason}");
            Finding::error(&["$BIND_ADDRESS"], text)
        };
        let found = look_up(host, self.port, LOOK_UP_TIME);
        let found = found.map_err(|error| unknown(error.to_string()))?;
        let first = found
            .iter()
            .find(|address| address.is_ipv4())
            .or_else(|| found.first());
        first
            .copied()
            .ok_or_else(|| unknown("none was found".to_owned()))
    }
}

/// A host that is not known, for a check and a start.
pub(crate) fn unknown_host(loaded: &Loaded) -> Option<Finding> {
    // What cannot be read has been told.
    BindAddress::new(&loaded.options).ok()?.resolve().err()
}

/// The host, and a port after it. An IPv6 address without brackets has none: the Perl program knows no such addresses.
fn split(address: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = address
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .filter(|(host, _)| !host.is_empty())
    {
        match rest.strip_prefix(':') {
            None if !rest.is_empty() => {}
            port => return (host, port),
        }
    }
    match address.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        _ => (address, None),
    }
}

/// The host as inet_aton has it: a number is an address, of which 0 is IPv4's wildcard. So are "all" and nothing.
fn host_of(host: &str) -> String {
    match host.to_ascii_lowercase().as_str() {
        "" | "all" => Ipv4Addr::UNSPECIFIED.to_string(),
        host => match host.parse::<u32>() {
            // Rust takes a sign.
            Ok(number) if !host.starts_with('+') => Ipv4Addr::from(number).to_string(),
            _ => host.to_owned(),
        },
    }
}

/// A service, and the number that is taken where it is not known: `http(80)`.
fn with_number(port: &str) -> (&str, Option<&str>) {
    let both = port.strip_suffix(')').and_then(|port| port.split_once('('));
    both.map_or((port, None), |(name, number)| (name, Some(number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::DefaultSet, perl::evaluate};

    fn read(text: &str) -> Result<BindAddress, String> {
        let defaults = DefaultSet::Debian.options(true).unwrap();
        let options = evaluate(text.as_bytes(), &defaults).unwrap().options;
        BindAddress::new(&options).map_err(|finding| finding.text().to_owned())
    }

    #[test]
    fn an_address_and_a_port_are_read_as_perl_reads_them() {
        for (text, expected) in [
            ("", "127.0.0.1:12525"),
            ("$BIND_ADDRESS = 'all';", "0.0.0.0:12525"),
            ("$BIND_ADDRESS = ' ALL ';", "0.0.0.0:12525"),
            ("$BIND_ADDRESS = '';", "0.0.0.0:12525"),
            ("$BIND_ADDRESS = 0;", "0.0.0.0:12525"),
            ("$BIND_ADDRESS = '0.0';", "0.0.0.0:12525"),
            ("$BIND_ADDRESS = '127.1';", "127.0.0.1:12525"),
            ("$BIND_ADDRESS = 2130706433;", "127.0.0.1:12525"),
            ("$BIND_ADDRESS = 'localhost';", "127.0.0.1:12525"),
            ("$BIND_ADDRESS = 'LocalHost:99';", "127.0.0.1:99"),
            (
                "$BIND_ADDRESS = '127.0.0.1:smtp'; $TCP_PORT = 'x';",
                "127.0.0.1:25",
            ),
            ("$BIND_ADDRESS = '::1';", "[::1]:12525"),
            ("$BIND_ADDRESS = '[::1]';", "[::1]:12525"),
            ("$BIND_ADDRESS = '[::1]:99';", "[::1]:99"),
            ("$TCP_PORT = 'postgresql';", "127.0.0.1:5432"),
            ("$TCP_PORT = 'smtp(99)';", "127.0.0.1:25"),
            ("$TCP_PORT = 'no-such(99)';", "127.0.0.1:99"),
        ] {
            let address = read(text).expect(text).resolve().expect(text);
            assert_eq!(address.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_with_its_option() {
        for (text, expected) in [
            (
                "$BIND_ADDRESS = 'a b';",
                "$BIND_ADDRESS is 'a b': host 'a b' is neither a name nor an address",
            ),
            (
                "$BIND_ADDRESS = '-1';",
                "$BIND_ADDRESS is '-1': host '-1' is neither a name nor an address",
            ),
            // Nothing of it is passed over.
            (
                "$BIND_ADDRESS = '[::1]99';",
                "$BIND_ADDRESS is '[::1]99': host '[::1]99' is neither a name nor an address",
            ),
            (
                "$BIND_ADDRESS = '[]:99';",
                "$BIND_ADDRESS is '[]:99': host '[]' is neither a name nor an address",
            ),
            (
                "$BIND_ADDRESS = '+5';",
                "$BIND_ADDRESS is '+5': host '+5' is neither a name nor an address",
            ),
            (
                "$TCP_PORT = 99999;",
                "$TCP_PORT is '99999': port '99999' is not 1 to 65535",
            ),
            (
                "$TCP_PORT = '2525x';",
                "$TCP_PORT is '2525x': port '2525x' is neither a number nor known to /etc/services",
            ),
            (
                "$TCP_PORT = '';",
                "$TCP_PORT is '': the port is missing after '127.0.0.1'",
            ),
            (
                "$BIND_ADDRESS = 'h:x';",
                "$BIND_ADDRESS is 'h:x': port 'x' is neither a number nor known to /etc/services",
            ),
        ] {
            assert_eq!(read(text), Err(expected.to_owned()), "{text}");
        }
        let unknown = read("$BIND_ADDRESS = 'no-such.invalid';")
            .unwrap()
            .resolve()
            .unwrap_err();
        let expected = "$BIND_ADDRESS is 'no-such.invalid', which has no address: ";
        assert!(unknown.text().starts_with(expected), "{}", unknown.text());
    }

    #[test]
    fn names_are_told_from_numbers() {
        for (text, host, service) in [
            ("$BIND_ADDRESS = '127.0.0.1';", None, None),
            ("$BIND_ADDRESS = 0;", None, None),
            (
                "$BIND_ADDRESS = 'localhost'; $TCP_PORT = 'postgresql';",
                Some("localhost"),
                Some(("postgresql", 5432)),
            ),
        ] {
            let address = read(text).unwrap();
            assert_eq!(address.host_name(), host, "{text}");
            assert_eq!(address.service(), service, "{text}");
        }
    }
}
