//! Addresses of servers: `HOST`, `HOST:PORT`, `[ADDRESS]:PORT`, or the path of a UNIX socket.

use std::{fmt, net::Ipv6Addr, path::PathBuf};

use crate::StoreError;

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Address {
    Inet(String, u16),
    Unix(PathBuf),
}

impl Address {
    pub(crate) fn parse(text: &str, default_port: u16) -> Result<Self, StoreError> {
        if text.starts_with('/') {
            return Ok(Self::Unix(text.into()));
        }
        let parts = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => Some((host, None)),
            Some((host, rest)) => rest.strip_prefix(':').map(|port| (host, Some(port))),
            // Several colons are an IPv6 address without a port.
            None if text.matches(':').count() == 1 => {
                text.split_once(':').map(|(host, port)| (host, Some(port)))
            }
            None => Some((text, None)),
        };
        let port = |text: &str| text.parse().ok().filter(|port| *port != 0);
        let address = parts.and_then(|(host, number)| {
            let port = number.map_or(Some(default_port), port)?;
            is_host(host).then(|| Self::Inet(host.to_owned(), port))
        });
        address.ok_or_else(|| StoreError::Refused(refusal(text)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Inet(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A name, or an address, also with the interface that it is reached by.
pub(crate) fn is_host(text: &str) -> bool {
    let is_name = |text: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !text.is_empty() && text.bytes().all(is_letter)
    };
    let (address, interface) = text.split_once('%').unwrap_or((text, "-"));
    is_name(text) || (address.parse::<Ipv6Addr>().is_ok() && is_name(interface))
}

/// A text that may be a URL with a password in it is not repeated.
fn refusal(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:[]".contains(&byte);
    if text.len() <= 80 && text.bytes().all(is_plain) {
        format!("`{text}` is no address of a server")
    } else {
        "no address of a server: it is HOST, HOST:PORT, [ADDRESS]:PORT or a path".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let inet = |host: &str, port| Some(Address::Inet(host.to_owned(), port));
        for (text, expected) in [
            ("localhost", inet("localhost", 7)),
            ("127.0.0.1:11211", inet("127.0.0.1", 11211)),
            ("::1", inet("::1", 7)),
            ("[::1]", inet("::1", 7)),
            ("[::1]:8", inet("::1", 8)),
            ("/run/x", Some(Address::Unix("/run/x".into()))),
            ("", None),
            (":8", None),
            ("host:", None),
            ("host:0", None),
            ("host:65536", None),
            ("[::1]8", None),
            ("db_1.example", inet("db_1.example", 7)),
            ("fe80::1%eth0", inet("fe80::1%eth0", 7)),
            ("[fe80::1%eth0]:8", inet("fe80::1%eth0", 8)),
            ("redis://localhost", None),
            ("redis://user:geheim@host:6379", None),
            ("user:geheim@host", None),
            ("a b", None),
            ("1:2:3", None),
        ] {
            assert_eq!(Address::parse(text, 7).ok(), expected, "{text}");
        }
    }

    #[test]
    fn addresses_are_shown_with_their_ports() {
        for (text, shown) in [
            ("localhost", "localhost:7"),
            ("::1", "[::1]:7"),
            ("[::1]:8", "[::1]:8"),
            ("/run/x", "/run/x"),
        ] {
            assert_eq!(Address::parse(text, 7).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_repeated() {
        for text in [
            "redis://user:geheim@host",
            "user:geheim@host",
            "geheim host",
        ] {
            let error = Address::parse(text, 7).unwrap_err().to_string();
            assert!(!error.contains("geheim"), "{error}");
        }
        let error = Address::parse("host:x", 7).unwrap_err().to_string();
        assert!(error.contains("`host:x`"), "{error}");
    }
}
