//! The syntax of an address: where a policy server is, or is to listen.

use std::{fmt, fs, net::Ipv6Addr, path::PathBuf, str::FromStr};

use thiserror::Error;

/// Where a policy server listens, in Postfix's own words.
///
/// | text | meaning |
/// | --- | --- |
/// | `inet:host:port`, `host:port` | TCP; `host` is a name or an IPv4 address |
/// | `inet:[v6]:port`, `[v6]:port` | TCP over IPv6 |
/// | `unix:/path` | a UNIX socket; the path is absolute |
///
/// A port is a number or the name of a service in `/etc/services`, which is read when such a name
/// is parsed. Names of hosts are resolved when a connection is opened, not here.
///
/// ```
/// use policy_socket::Endpoint;
///
/// let endpoint: Endpoint = "localhost:10031".parse()?;
/// assert_eq!(endpoint.to_string(), "inet:localhost:10031");
/// let endpoint: Endpoint = "inet:[::1]:10031".parse()?;
/// assert_eq!(endpoint.to_string(), "inet:[::1]:10031");
/// let endpoint: Endpoint = "unix:/run/policy.sock".parse()?;
/// assert_eq!(endpoint.to_string(), "unix:/run/policy.sock");
///
/// // It could be meant in several ways, so it is not taken in any:
/// assert!("2001:db8::1:10031".parse::<Endpoint>().is_err());
/// # Ok::<(), policy_socket::InvalidEndpoint>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Endpoint {
    /// TCP.
    Inet {
        /// A host name or an address; an IPv6 address without its brackets.
        host: String,
        /// 0 has the system choose, for listening.
        port: u16,
    },
    /// A UNIX stream socket.
    Unix(PathBuf),
}

/// Why a text is no [`Endpoint`]. The message names the part at fault, and quotes it:
///
/// ```
/// use policy_socket::Endpoint;
///
/// let error = "127.0.0.1:100233".parse::<Endpoint>().unwrap_err();
/// assert_eq!(error.to_string(), "port '100233' is not 1 to 65535");
/// ```
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// Neither `host:port` nor `unix:/path`.
    #[error("address '{0}' is neither HOST:PORT nor unix:/PATH")]
    Form(String),
    /// A path after something else than `unix:`.
    #[error("'{0}:' is neither inet: nor unix:")]
    Kind(String),
    /// A host that is empty, a mere number, or no IPv6 address between its brackets.
    #[error("host '{0}' is neither a name nor an address")]
    Host(String),
    /// An IPv6 address without brackets: where it ends could be read in several ways.
    #[error("an IPv6 address needs brackets: [{0}]:PORT")]
    Brackets(String),
    /// Nothing after the last colon, or no colon.
    #[error("the port is missing after '{0}'")]
    NoPort(String),
    /// A number above 65535.
    #[error("port '{0}' is not 1 to 65535")]
    Port(String),
    /// A word that services(5) does not list for TCP.
    #[error("port '{0}' is neither a number nor known to /etc/services")]
    PortName(String),
    /// A UNIX socket whose path does not begin with `/`, or holds a NUL.
    #[error("the UNIX path '{0}' does not begin with /")]
    Path(String),
    /// A path for which the system's socket address has no room; its length in bytes.
    #[error("the UNIX path has {0} bytes, the system takes {MAX_PATH}")]
    LongPath(usize),
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.len() {
                _ if !path.starts_with('/') || path.contains('\0') => {
                    Err(InvalidEndpoint::Path(path.to_owned()))
                }
                0..=MAX_PATH => Ok(Self::Unix(path.into())),
                length => Err(InvalidEndpoint::LongPath(length)),
            };
        }
        let text = text.strip_prefix("inet:").unwrap_or(text);
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(InvalidEndpoint::Brackets(text.to_owned()));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(if is_host(text) {
                InvalidEndpoint::NoPort(text.to_owned())
            } else {
                InvalidEndpoint::Form(text.to_owned())
            });
        };
        if port.starts_with('/') {
            return Err(InvalidEndpoint::Kind(host.to_owned()));
        }
        let inner = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = match inner {
            Some(v6) if v6.parse::<Ipv6Addr>().is_ok() => v6,
            None if is_host(host) => host,
            None if host.parse::<Ipv6Addr>().is_ok() => {
                return Err(InvalidEndpoint::Brackets(host.to_owned()));
            }
            _ => return Err(InvalidEndpoint::Host(host.to_owned())),
        };
        if port.is_empty() {
            return Err(InvalidEndpoint::NoPort(host.to_owned()));
        }
        Ok(Self::Inet {
            host: host.to_owned(),
            port: self::port(port)?,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet { host, port } if host.contains(':') => write!(f, "inet:[{host}]:{port}"),
            Self::Inet { host, port } => write!(f, "inet:{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A name or an IPv4 address. A mere number is what an IPv6 address without brackets begins with.
fn is_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte) || byte >= 0x80;
    let named = host
        .bytes()
        .any(|byte| byte.is_ascii_alphabetic() || byte >= 0x80);
    let dotted = host.contains('.') && host.bytes().any(|byte| byte.is_ascii_digit());
    host.bytes().all(plain) && (named || dotted)
}

fn port(text: &str) -> Result<u16, InvalidEndpoint> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text
            .parse()
            .map_err(|_| InvalidEndpoint::Port(text.to_owned()));
    }
    let services = fs::read_to_string("/etc/services").unwrap_or_default();
    find_service(&services, text).ok_or_else(|| InvalidEndpoint::PortName(text.to_owned()))
}

/// A service's TCP port in the text of services(5).
fn find_service(services: &str, wanted: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        let (name, port) = (words.next()?, words.next()?.strip_suffix("/tcp")?);
        let known = name == wanted || words.any(|alias| alias == wanted);
        known.then(|| port.parse().ok())?
    })
}

/// The bytes that `sun_path` holds besides its NUL.
const MAX_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_found_by_name_and_by_alias() {
        let services = "# comment\nsmtp 25/tcp mail\nntp 123/udp\n\namqp\t5672/tcp # queue\n";
        for (name, port) in [
            ("smtp", Some(25)),
            ("mail", Some(25)),
            ("amqp", Some(5672)),
            ("ntp", None),
            ("", None),
        ] {
            assert_eq!(find_service(services, name), port, "{name}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_the_part_at_fault() {
        let long = format!("unix:/{}", "x".repeat(MAX_PATH));
        for (text, message) in [
            ("", "address '' is neither HOST:PORT nor unix:/PATH"),
            ("localhost", "the port is missing after 'localhost'"),
            ("localhost:", "the port is missing after 'localhost'"),
            ("[::1]:", "the port is missing after '::1'"),
            (
                "10031",
                "address '10031' is neither HOST:PORT nor unix:/PATH",
            ),
            (
                "inet:10031",
                "address '10031' is neither HOST:PORT nor unix:/PATH",
            ),
            (":10031", "host '' is neither a name nor an address"),
            ("2001:10031", "host '2001' is neither a name nor an address"),
            (
                "2001:db8::1:10031",
                "an IPv6 address needs brackets: [2001:db8::1]:PORT",
            ),
            (
                "2001:db8::1:100233",
                "an IPv6 address needs brackets: [2001:db8::1]:PORT",
            ),
            ("[::1:10031", "host '[::1' is neither a name nor an address"),
            (
                "[localhost]:1",
                "host '[localhost]' is neither a name nor an address",
            ),
            ("a,b:10031", "host 'a,b' is neither a name nor an address"),
            ("a b:10031", "host 'a b' is neither a name nor an address"),
            ("-:10031", "host '-' is neither a name nor an address"),
            ("..:10031", "host '..' is neither a name nor an address"),
            ("localhost:65536", "port '65536' is not 1 to 65535"),
            (
                "localhost:-1",
                "port '-1' is neither a number nor known to /etc/services",
            ),
            (
                "localhost:no-such-service",
                "port 'no-such-service' is neither a number nor known to /etc/services",
            ),
            ("unixx:/run/policy", "'unixx:' is neither inet: nor unix:"),
            (
                "inet:unix:/run/policy",
                "'unix:' is neither inet: nor unix:",
            ),
            (
                "unix:private/policy",
                "the UNIX path 'private/policy' does not begin with /",
            ),
            ("unix:", "the UNIX path '' does not begin with /"),
            (&long, "the UNIX path has 108 bytes, the system takes 107"),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert_eq!(error.to_string(), message, "{text}");
        }
        assert!(long[..long.len() - 1].parse::<Endpoint>().is_ok());
    }

    #[test]
    fn an_endpoint_is_written_as_it_is_read() {
        for text in [
            "inet:127.0.0.1:1",
            "inet:[::1]:65535",
            "inet:host.example:0",
            "unix:/a:b",
        ] {
            assert_eq!(
                text.parse::<Endpoint>()
                    .map(|endpoint| endpoint.to_string()),
                Ok(text.into())
            );
        }
    }
}
