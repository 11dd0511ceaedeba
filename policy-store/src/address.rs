//! Addresses of servers: `HOST`, `HOST:PORT`, `[ADDRESS]:PORT`, or the path of a UNIX socket.

use std::path::PathBuf;

use crate::StoreError;

#[derive(Clone, Debug, Eq, PartialEq)]
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
            (!host.is_empty()).then(|| Self::Inet(host.to_owned(), port))
        });
        let shown: String = text.chars().take(80).collect();
        address.ok_or_else(|| StoreError::Refused(format!("`{shown}` is no address of a server")))
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
        ] {
            assert_eq!(Address::parse(text, 7).ok(), expected, "{text}");
        }
    }
}
