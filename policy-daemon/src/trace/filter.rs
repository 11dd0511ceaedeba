//! The requests that a trace is about.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use thiserror::Error;

/// What a request must be to be traced: each part that is given has to fit. Without any part all requests do.
///
/// ```
/// use policy_daemon::trace::TraceFilter;
///
/// let filter: TraceFilter = "client=192.0.2.0/24\nrecipient=b@example.com".parse().unwrap();
/// let attribute = |name: &str| match name {
///     "client_address" => Some(&b"192.0.2.7"[..]),
///     "recipient" => Some(&b"B@example.com"[..]),
///     _ => None,
/// };
/// assert!(filter.takes(attribute));
/// assert_eq!(filter.to_string(), "client=192.0.2.0/24, recipient=b@example.com");
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TraceFilter(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    /// This attribute has this value, in capitals or not.
    Is(&'static str, String),
    /// The address of the SMTP client.
    Network(IpNet),
    /// The name of the SMTP client.
    Name(String),
}

impl TraceFilter {
    /// Whether the request with these attributes is one of them.
    pub fn takes<'a>(&self, attribute: impl Fn(&str) -> Option<&'a [u8]>) -> bool {
        self.0.iter().all(|part| {
            let value = |name| attribute(name).unwrap_or_default();
            match part {
                Part::Is(name, text) => value(name).eq_ignore_ascii_case(text.as_bytes()),
                Part::Name(name) => value("client_name").eq_ignore_ascii_case(name.as_bytes()),
                Part::Network(network) => {
                    let address = str::from_utf8(value("client_address")).ok();
                    let address = address.and_then(|text| text.parse::<IpAddr>().ok());
                    address.is_some_and(|address| network.contains(&address))
                }
            }
        })
    }
}

impl FromStr for TraceFilter {
    type Err = InvalidFilter;

    /// Lines of `sender=`, `recipient=`, `instance=`, and `client=` with an address, a network or a name. The sender of a
    /// bounce is `<>` or nothing.
    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        let parts = text.lines().map(|line| {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            let value = value
                .strip_prefix('<')
                .and_then(|value| value.strip_suffix('>'))
                .unwrap_or(value);
            let is = |name| Ok(Part::Is(name, value.to_owned()));
            match name {
                "sender" => is("sender"),
                "recipient" => is("recipient"),
                "instance" => is("instance"),
                "client" => match (value.parse::<IpNet>(), value.parse::<IpAddr>()) {
                    (Ok(network), _) => Ok(Part::Network(network)),
                    (_, Ok(address)) => Ok(Part::Network(address.into())),
                    _ if may_be_name(value) => Ok(Part::Name(value.to_owned())),
                    _ => Err(InvalidFilter(format!(
                        "client='{value}': no address, no network and no name"
                    ))),
                },
                name => Err(InvalidFilter(format!(
                    "no filter '{name}': there are sender, recipient, client and instance"
                ))),
            }
        });
        parts.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for TraceFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("all requests");
        }
        for (index, part) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(", ")?;
            }
            match part {
                Part::Is(name, value) if value.is_empty() => write!(formatter, "{name}=<>"),
                Part::Is(name, value) => write!(formatter, "{name}={value}"),
                Part::Name(name) => write!(formatter, "client={name}"),
                Part::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                    write!(formatter, "client={}", network.addr())
                }
                Part::Network(network) => write!(formatter, "client={network}"),
            }?;
        }
        Ok(())
    }
}

/// Whether a client may have this name. A mistyped address would be one that none has, and nothing would be traced.
fn may_be_name(text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let last = text.trim_end_matches('.').rsplit('.').next();
    text.chars().all(is_part)
        && last.is_some_and(|last| last.contains(|c: char| !c.is_ascii_digit()))
}

/// A part of a filter that there is not, or whose value fits no request.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{0}")]
pub struct InvalidFilter(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_where_each_part_fits() {
        let attribute = |name: &str| match name {
            "sender" => Some(&b""[..]),
            "recipient" => Some(&b"b@example.com"[..]),
            "instance" => Some(&b"1.2.3"[..]),
            "client_address" => Some(&b"2001:db8::7"[..]),
            "client_name" => Some(&b"mx.example.com"[..]),
            _ => None,
        };
        for (filter, takes) in [
            ("", true),
            ("sender=", true),
            ("sender=<>", true),
            ("sender=a@example.com", false),
            ("recipient=B@EXAMPLE.com", true),
            ("recipient=<b@example.com>", true),
            ("recipient=b", false),
            ("instance=1.2.3", true),
            ("client=2001:db8::7", true),
            ("client=2001:db8:0::7", true),
            ("client=2001:db8::/32", true),
            ("client=192.0.2.0/24", false),
            ("client=MX.example.com", true),
            ("client=example.com", false),
            ("client=mx.example.com\ninstance=1.2.3", true),
            ("client=mx.example.com\ninstance=1.2", false),
        ] {
            let read: TraceFilter = filter.parse().unwrap();
            assert_eq!(read.takes(attribute), takes, "{filter}");
        }
        assert!(!"client=::1".parse::<TraceFilter>().unwrap().takes(|_| None));
    }

    #[test]
    fn a_filter_is_shown_as_it_is_given() {
        for (filter, shown) in [
            ("", "all requests"),
            ("sender=", "sender=<>"),
            (
                "recipient=<a@b>\nclient=192.0.2.1",
                "recipient=a@b, client=192.0.2.1",
            ),
            ("client=192.0.2.0/24", "client=192.0.2.0/24"),
            ("client=mx.example.com", "client=mx.example.com"),
        ] {
            let read: TraceFilter = filter.parse().unwrap();
            assert_eq!(read.to_string(), shown);
        }
        for wrong in ["senders=a", "sender a", "client", "client=", "\n"] {
            assert!(wrong.parse::<TraceFilter>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_client_that_no_request_can_be_about_is_refused() {
        for wrong in [
            "192.0.2.0/33",
            "192.0.2.1:25",
            "192.0.2",
            "192.0.2.256",
            "[2001:db8::1]",
            "2001:db8::/129",
            "mx example",
            "mx.example.com/24",
        ] {
            let read = format!("client={wrong}").parse::<TraceFilter>();
            let said = format!("client='{wrong}': no address, no network and no name");
            assert_eq!(read.unwrap_err().to_string(), said);
        }
        for right in [
            "unknown",
            "mx_1.example.com",
            "1.2.0.192.in-addr.arpa",
            "m\u{fc}x.example",
        ] {
            assert!(
                format!("client={right}").parse::<TraceFilter>().is_ok(),
                "{right}"
            );
        }
    }
}
