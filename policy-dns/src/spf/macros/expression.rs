//! One macro, `%{...}`: its letter, and what becomes of its value (RFC 7208, 7.2 and 7.3).

use std::net::IpAddr;

use crate::spf::{
    problem::Problem,
    request::SpfRequest,
    scan::{is_delimiter, printable, run},
};

/// A macro in a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Macro {
    /// In lower case.
    pub(super) letter: u8,
    /// A letter in upper case: the value is escaped for use in a URL.
    escaped: bool,
    /// How many parts at the end count; all without a number.
    keep: Option<usize>,
    reversed: bool,
    delimiters: Vec<u8>,
}

/// The values of macros.
#[derive(Debug)]
pub(in crate::spf) struct Values<'a> {
    pub(in crate::spf) request: &'a SpfRequest,
    /// The domain whose record is evaluated.
    pub(in crate::spf) authority: &'a [u8],
    /// The name of the client; see [`MacroString::needs_client_name`].
    pub(in crate::spf) client_name: &'a [u8],
    pub(in crate::spf) receiver: &'a [u8],
    /// The macros `c`, `r` and `t` are for explanations.
    pub(in crate::spf) explanation: bool,
}

impl Macro {
    /// `transformers`: `*DIGIT [ "r" ] *delimiter`.
    pub(super) fn parse(
        letter: u8,
        transformers: &[u8],
        position: usize,
        text: &[u8],
    ) -> Result<Self, Problem> {
        let lower = letter.to_ascii_lowercase();
        if !b"slodipvhcrt".contains(&lower) {
            return Err(Problem::UnknownMacro(
                lower.into(),
                position,
                printable(text),
            ));
        }
        let (digits, rest) = transformers.split_at(run(transformers, u8::is_ascii_digit));
        // A number that is too large keeps all parts.
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        let keep = (!digits.is_empty()).then(|| digits.parse().unwrap_or(usize::MAX));
        if keep == Some(0) {
            return Err(Problem::ZeroParts(position, printable(text)));
        }
        let (reversed, delimiters) = match rest.split_first() {
            Some((b'r' | b'R', delimiters)) => (true, delimiters),
            _ => (false, rest),
        };
        debug_assert!(delimiters.iter().all(is_delimiter));
        Ok(Self {
            letter: lower,
            escaped: letter != lower,
            keep,
            reversed,
            delimiters: delimiters.into(),
        })
    }

    /// Its value.
    pub(super) fn value(&self, values: &Values<'_>) -> Vec<u8> {
        let request = values.request;
        let value = match self.letter {
            b's' => request.identity.clone(),
            b'l' => request.local_part.clone(),
            b'o' => request.domain.clone(),
            b'd' => values.authority.to_vec(),
            b'i' => dotted(request.client).into_bytes(),
            b'p' => values.client_name.to_vec(),
            b'v' if request.client.is_ipv4() => b"in-addr".to_vec(),
            b'v' => b"ip6".to_vec(),
            b'h' if request.helo.is_empty() => b"unknown".to_vec(),
            b'h' => request.helo.clone(),
            b'c' => request.client.to_string().into_bytes(),
            b'r' if values.receiver.is_empty() => b"unknown".to_vec(),
            b'r' => values.receiver.to_vec(),
            _ => seconds().to_string().into_bytes(),
        };
        let value = if self.is_plain() {
            value
        } else {
            self.transformed(&value)
        };
        if self.escaped {
            url_escaped(&value)
        } else {
            value
        }
    }

    fn is_plain(&self) -> bool {
        self.keep.is_none() && !self.reversed && self.delimiters.is_empty()
    }

    /// Split at the delimiters, reversed, cut to the last parts, joined by dots. Empty parts at the end do not
    /// count, as in Perl.
    fn transformed(&self, value: &[u8]) -> Vec<u8> {
        let delimiters: &[u8] = if self.delimiters.is_empty() {
            b"."
        } else {
            &self.delimiters
        };
        let mut parts: Vec<_> = value.split(|byte| delimiters.contains(byte)).collect();
        while parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
        if self.reversed {
            parts.reverse();
        }
        let skip = self.keep.map_or(0, |keep| parts.len().saturating_sub(keep));
        parts.split_off(skip).join(&b'.')
    }
}

/// An IPv4 address as usual, the nibbles of an IPv6 address with dots.
fn dotted(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let nibbles = address
                .octets()
                .into_iter()
                .flat_map(|octet| [octet >> 4, octet & 15]);
            nibbles
                .map(|nibble| format!("{nibble:x}"))
                .collect::<Vec<_>>()
                .join(".")
        }
    }
}

/// All but unreserved characters (RFC 3986, 2.3) as `%XX`.
fn url_escaped(value: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len());
    for &byte in value {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(byte),
            _ => text.extend(format!("%{byte:02X}").into_bytes()),
        }
    }
    text
}

fn seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
