//! The syntax of `-s`: a policy server with its priority, weight and time-out.

use std::{net::Ipv6Addr, time::Duration};

use policy_ha::{Backend, Mode};
use policy_proto::ActionSet;
use policy_socket::{Endpoint, InvalidEndpoint};
use thiserror::Error;

use policy_daemon::command_line::parse_duration;

/// One `-s NAME=ADDR[:PRIO[:WEIGHT[:TIMEOUT]]]`.
///
/// `ADDR` is `host:port`, `[v6]:port`, `inet:host:port` or `unix:/path`, without a colon in the path.
/// An empty field means its default, and so do a `WEIGHT` or a `TIMEOUT` of `0`.
///
/// ```
/// use policy_proxy::options::Service;
/// use std::time::Duration;
///
/// let service = Service::parse("greylist=127.0.0.1:10031:5::2.5", Duration::from_secs(30))?;
/// assert_eq!(service.name, b"greylist");
/// assert_eq!(service.address, "127.0.0.1:10031");
/// assert_eq!((service.backend.priority, service.backend.weight), (5, 1));
/// assert_eq!(service.timeout, Duration::from_millis(2500));
/// assert!(service.warnings.is_empty());
/// # Ok::<(), policy_proxy::options::InvalidService>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Service {
    /// Its name in the log: any bytes without `=`.
    pub name: Vec<u8>,
    /// The address as it was written, without `inet:`.
    pub address: String,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Priority, 0 to 65535, lower first, 10 by default; weight, 1 to 1000, 1 by default.
    pub backend: Backend,
    /// The longest attempt, 0.1 to 3600 s.
    pub timeout: Duration,
    /// The requests that it may be asked: all, unless `--mode` says something else.
    pub mode: Mode,
    /// The actions that it may answer with, if `--actions` names some.
    pub actions: Option<ActionSet>,
    /// How long an unused connection to it is kept, if `--keep` names it.
    pub keep: Option<Duration>,
    /// Lines about fields that cannot be read, and the values that are used instead; they quote the text as it was given.
    pub warnings: Vec<Vec<u8>>,
    /// Nothing stood after the address, so that a later service of the same name inherits.
    bare: bool,
}

/// Why a text names no service.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum InvalidService {
    /// No name and `=` before the address.
    #[error("the name is missing: NAME=ADDRESS")]
    Name,
    /// A host of `0`.
    #[error("host '0' is neither a name nor an address")]
    ZeroHost,
    /// A port of `0`.
    #[error("port '0' is not 1 to 65535")]
    ZeroPort,
    /// No readable address.
    #[error(transparent)]
    Address(#[from] InvalidEndpoint),
}

impl Service {
    /// Reads one service; `timeout` is the default for its time-out.
    ///
    /// # Errors
    ///
    /// A missing name, or an address that cannot be read. Anything else that is wrong is a warning.
    pub fn parse(text: impl AsRef<[u8]>, timeout: Duration) -> Result<Self, InvalidService> {
        let text = text.as_ref();
        let equals = text.iter().position(|byte| *byte == b'=');
        let equals = equals.filter(|at| *at > 0).ok_or(InvalidService::Name)?;
        let (name, rest) = (&text[..equals], &text[equals + 1..]);
        if let Some(address) = bare_ipv6(rest) {
            return Err(InvalidEndpoint::Brackets(address.to_owned()).into());
        }
        let (written, fields) = split_address(rest);
        let written = str::from_utf8(written)
            .map_err(|_| InvalidEndpoint::Form(String::from_utf8_lossy(written).into_owned()))?;
        let address = written.strip_prefix("inet:").unwrap_or(written);
        if address.starts_with("0:") {
            return Err(InvalidService::ZeroHost);
        }
        let endpoint = written.parse()?;
        if let Endpoint::Inet { port: 0, .. } = endpoint {
            return Err(InvalidService::ZeroPort);
        }
        let mut service = Self {
            name: name.to_owned(),
            address: address.to_owned(),
            endpoint,
            backend: Backend::default(),
            timeout,
            mode: Mode::default(),
            actions: None,
            keep: None,
            warnings: Vec::new(),
            bare: fields.is_empty(),
        };
        service.read_fields(text, fields);
        Ok(service)
    }

    /// This service in place of an earlier one of the same name, whose fields it keeps if it has none
    /// of its own.
    #[must_use]
    pub fn replacing(mut self, earlier: &Self) -> Self {
        if self.bare {
            self.backend = earlier.backend;
            self.timeout = earlier.timeout;
            self.bare = earlier.bare;
        }
        self.warn(b"it was given before: the later address counts");
        self
    }

    /// Whether nothing stood after the address.
    pub(crate) const fn is_bare(&self) -> bool {
        self.bare
    }

    fn read_fields(&mut self, whole: &[u8], fields: &[u8]) {
        let mut fields = fields.split(|byte| *byte == b':');
        let mut next = || fields.next().unwrap_or_default();
        let (priority, weight, timeout) = (next(), next(), next());
        let superfluous = fields.any(|field| !field.is_empty());
        match priority {
            b"" => {}
            text => match number(text) {
                Some(priority) => self.backend.priority = priority,
                None => {
                    let using = self.backend.priority.to_string();
                    self.warn_field(whole, "priority", text, "0 to 65535", &using);
                }
            },
        }
        match weight {
            b"" | b"0" => {}
            text => match number(text).filter(|weight| (1..=1000).contains(weight)) {
                Some(weight) => self.backend.weight = weight,
                None => {
                    let using = self.backend.weight.to_string();
                    self.warn_field(whole, "weight", text, "1 to 1000", &using);
                }
            },
        }
        match timeout {
            b"" | b"0" => {}
            text => match time_out(text) {
                Some(timeout) => self.timeout = timeout,
                None => {
                    let using = format!("{}s", self.timeout.as_secs_f64());
                    self.warn_field(whole, "timeout", text, "100ms to 3600s", &using);
                }
            },
        }
        if superfluous {
            self.warn(b"more fields than NAME=ADDR:PRIO:WEIGHT:TIMEOUT, ignoring the rest");
        }
    }

    fn warn_field(&mut self, whole: &[u8], field: &str, found: &[u8], range: &str, using: &str) {
        let (begin, middle) = (&b"invalid service '"[..], format!("': {field} '"));
        let end = format!("' is not {range}, using {using}");
        let parts = [begin, whole, middle.as_bytes(), found, end.as_bytes()];
        self.warnings.push(parts.concat());
    }

    fn warn(&mut self, what: &[u8]) {
        self.warnings
            .push([b"service '", &*self.name, b"': ", what].concat());
    }
}

/// The address, and the fields behind it.
fn split_address(text: &[u8]) -> (&[u8], &[u8]) {
    let find = |wanted: u8, from: usize| {
        let at = text.iter().skip(from).position(|byte| *byte == wanted);
        at.map(|at| from + at)
    };
    let host = if text.starts_with(b"inet:") { 5 } else { 0 };
    let host_end = match find(b']', host) {
        Some(bracket) if text[host..].starts_with(b"[") => bracket,
        _ => host,
    };
    // The second colon ends an address: the first stands before the port, or behind `unix`.
    match find(b':', host_end).and_then(|first| find(b':', first + 1)) {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, b""),
    }
}

/// The IPv6 address without brackets that this begins with: `fd00:1::1:10031` could be that and a port,
/// or the host `fd00` with port 1. It is not taken for either. The longest one is meant.
fn bare_ipv6(text: &[u8]) -> Option<&str> {
    let text = text.strip_prefix(b"inet:").unwrap_or(text);
    let colons = text.iter().enumerate().filter(|(_, byte)| **byte == b':');
    let ends = colons.map(|(at, _)| at).chain([text.len()]);
    let mut starts = ends.filter_map(|end| str::from_utf8(text.get(..end)?).ok());
    starts.rfind(|start| start.parse::<Ipv6Addr>().is_ok())
}

fn number(text: &[u8]) -> Option<u16> {
    let digits = text.iter().all(u8::is_ascii_digit);
    str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// Seconds, or a duration with its unit.
fn time_out(text: &[u8]) -> Option<Duration> {
    let text = str::from_utf8(text).ok()?;
    let is_number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let timeout = if is_number {
        parse_duration(&format!("{text}s"))
    } else {
        parse_duration(text)
    };
    let range = Duration::from_millis(100)..=Duration::from_secs(3600);
    timeout.ok().filter(|timeout| range.contains(timeout))
}

#[cfg(test)]
mod tests;
