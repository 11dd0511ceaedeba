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
/// use policy_net::Endpoint;
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
/// # Ok::<(), policy_net::InvalidEndpoint>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
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

/// Why a text is no [`Endpoint`].
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// Neither `host:port` nor `unix:/path`.
    #[error("neither host:port nor unix:/path")]
    Form,
    /// A host that is empty, a mere number, or no IPv6 address between its brackets.
    #[error("no valid host")]
    Host,
    /// A port that is neither a number up to 65535 nor a known service.
    #[error("no valid port")]
    Port,
    /// A UNIX socket whose path does not begin with `/`.
    #[error("a UNIX socket needs an absolute path")]
    Path,
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.starts_with('/') && !path.contains('\0') {
                true => Ok(Self::Unix(path.into())),
                false => Err(InvalidEndpoint::Path),
            };
        }
        let text = text.strip_prefix("inet:").unwrap_or(text);
        let (host, port) = text.rsplit_once(':').ok_or(InvalidEndpoint::Form)?;
        let host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(v6) if v6.parse::<Ipv6Addr>().is_ok() => v6,
            None if is_host(host) => host,
            _ => return Err(InvalidEndpoint::Host),
        };
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
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| InvalidEndpoint::Port);
    }
    let services = fs::read_to_string("/etc/services").unwrap_or_default();
    find_service(&services, text).ok_or(InvalidEndpoint::Port)
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
        for (text, error) in [
            ("", InvalidEndpoint::Form),
            ("localhost", InvalidEndpoint::Form),
            ("inet:10031", InvalidEndpoint::Form),
            (":10031", InvalidEndpoint::Host),
            ("2001:10031", InvalidEndpoint::Host),
            ("2001:db8::1:10031", InvalidEndpoint::Host),
            ("[::1:10031", InvalidEndpoint::Host),
            ("[localhost]:10031", InvalidEndpoint::Host),
            ("a,b:10031", InvalidEndpoint::Host),
            ("a b:10031", InvalidEndpoint::Host),
            ("-:10031", InvalidEndpoint::Host),
            ("..:10031", InvalidEndpoint::Host),
            ("localhost:", InvalidEndpoint::Port),
            ("localhost:65536", InvalidEndpoint::Port),
            ("localhost:-1", InvalidEndpoint::Port),
            ("localhost:+1", InvalidEndpoint::Port),
            ("localhost:no-such-service", InvalidEndpoint::Port),
            ("unix:private/policy", InvalidEndpoint::Path),
            ("unix:", InvalidEndpoint::Path),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(error), "{text}");
        }
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
