//! Addresses and names replaced by others: the same always by the same, and without the key nobody knows by which.
//!
//! - Addresses keep their networks: two that share their first bits share as many afterwards (Xu, Fan, Ammar and Moon,
//!   "Prefix-preserving IP address anonymization", 2002). Loopback addresses stay.
//! - Names are replaced label by label, so that what is below a domain stays below it. The last label stays.
//! - Of a mail address the local part is replaced as well; its extension, after `+`, apart.
//! - Values of attributes that are not known are replaced as a whole.
//! - In the text of an answer what looks like an address or a name is replaced, and what the request has of either.

use std::{
    fs::File,
    io::{self, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use policy_proto::{Request, attr};
use sha2::Sha256;

use super::seen::Seen;

mod text;

/// What replaces.
#[derive(Clone)]
pub(super) struct Anonymiser {
    keyed: Hmac<Sha256>,
}

impl std::fmt::Debug for Anonymiser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Anonymiser")
    }
}

impl Anonymiser {
    /// With the bytes of a file as the key.
    pub(super) fn from_file(path: &Path) -> io::Result<Self> {
        let mut key = Vec::new();
        File::open(path)?.take(MAX_KEY).read_to_end(&mut key)?;
        if key.len() < MIN_KEY {
            let text = format!(
                "a key has at least {MIN_KEY} bytes, this file has {}: make one with `head -c 32 /dev/urandom`",
                key.len()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Self::new(&key)
    }

    /// With a key that nobody knows.
    pub(super) fn random() -> io::Result<Self> {
        let mut key = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut key)?;
        Self::new(&key)
    }

    fn new(key: &[u8]) -> io::Result<Self> {
        let keyed = Hmac::new_from_slice(key).map_err(io::Error::other)?;
        Ok(Self { keyed })
    }

    /// The same request and answer about others.
    pub(super) fn seen(&self, seen: &Seen) -> Seen {
        let attributes = seen.request.attributes();
        let attributes = attributes.map(|(name, value)| (name, self.value(name, value)));
        let request = Request::from_attributes(attributes);
        let mut facts = seen.facts.clone();
        facts.action = facts.action.map(|action| self.text(&action, &seen.request));
        Seen {
            // Nothing that is put in ends a line.
            request: request.unwrap_or_else(|_| seen.request.clone()),
            facts,
        }
    }

    /// The value of an attribute.
    fn value(&self, name: &[u8], value: &[u8]) -> Vec<u8> {
        let Ok(name) = str::from_utf8(name) else {
            return self.secret('x', value).into_bytes();
        };
        if value.is_empty() || PUBLIC.contains(&name) {
            return value.to_vec();
        }
        let text = String::from_utf8_lossy(value);
        match name {
            attr::CLIENT_ADDRESS
            | attr::SERVER_ADDRESS
            | attr::CLIENT_NAME
            | attr::REVERSE_CLIENT_NAME
            | attr::HELO_NAME
            | attr::ETRN_DOMAIN
            | attr::TLS_SNI => self.host(&text),
            attr::SENDER | attr::RECIPIENT | attr::SASL_USERNAME | attr::SASL_SENDER => {
                self.mailbox(&text)
            }
            _ => self.secret('x', value),
        }
        .into_bytes()
    }

    /// An address, a name, or an address in brackets.
    fn host(&self, text: &str) -> String {
        if let Some(inner) = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
        {
            let (prefix, address) = match inner.split_at_checked(IPV6.len()) {
                Some((prefix, address)) if prefix.eq_ignore_ascii_case(IPV6) => (prefix, address),
                _ => ("", inner),
            };
            return match address.parse() {
                Ok(address) => format!("[{prefix}{}]", self.address(address)),
                Err(_) => format!("[{}]", self.secret('x', inner.as_bytes())),
            };
        }
        match text.parse() {
            Ok(address) => self.address(address).to_string(),
            Err(_) if text == UNKNOWN => text.to_owned(),
            Err(_) => self.name(text),
        }
    }

    /// A name: each label but the last.
    fn name(&self, name: &str) -> String {
        let labels: Vec<_> = name.split('.').collect();
        let last = labels.len().saturating_sub(1);
        let labels = labels.iter().enumerate().map(|(index, label)| {
            if label.is_empty() || index == last && index > 0 {
                label.to_ascii_lowercase()
            } else {
                self.secret('n', label.to_ascii_lowercase().as_bytes())
            }
        });
        labels.collect::<Vec<_>>().join(".")
    }

    fn mailbox(&self, text: &str) -> String {
        let (local, domain) = match text.rsplit_once('@') {
            Some((local, domain)) => (unquoted(local), Some(domain)),
            None => (text, None),
        };
        let part = |part: &str| match part {
            "" => String::new(),
            part => self.secret('u', part.to_ascii_lowercase().as_bytes()),
        };
        let parts: Vec<_> = local.split('+').map(part).collect();
        let local = parts.join("+");
        match domain {
            Some(domain) => format!("{local}@{}", self.host(domain)),
            None => local,
        }
    }

    fn address(&self, address: IpAddr) -> IpAddr {
        match address {
            _ if address.is_loopback() || address.is_unspecified() => address,
            IpAddr::V4(address) => {
                let bits = self.bits(u128::from(address.to_bits()), 32, b"4");
                IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or_default()))
            }
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(self.bits(address.to_bits(), 128, b"6")))
            }
        }
    }

    /// Each bit is turned, or not, by what stands before it alone.
    fn bits(&self, bits: u128, count: u32, family: &[u8]) -> u128 {
        let mut turned = 0;
        for length in 0..count {
            let place = count - 1 - length;
            let before = bits.checked_shr(place + 1).unwrap_or_default();
            let of = self.keyed_hash(&[family, &length.to_be_bytes(), &before.to_be_bytes()]);
            let turn = of.first().is_some_and(|byte| byte & 1 == 1);
            turned |= ((bits >> place & 1) ^ u128::from(turn)) << place;
        }
        turned
    }

    /// A word that stands for these bytes.
    fn secret(&self, kind: char, bytes: &[u8]) -> String {
        let hash = self.keyed_hash(&[b"word", bytes]);
        let hash = hash.iter().take(6).map(|byte| format!("{byte:02x}"));
        kind.to_string() + &hash.collect::<String>()
    }

    fn keyed_hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut keyed = self.keyed.clone();
        for part in parts {
            keyed.update(part);
        }
        keyed.finalize().into_bytes().into()
    }
}

/// A local part without its quotation marks.
fn unquoted(local: &str) -> &str {
    let inner = local
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(local)
}

/// Attributes that say nothing about anybody.
const PUBLIC: &[&str] = &[
    attr::REQUEST,
    attr::PROTOCOL_STATE,
    attr::PROTOCOL_NAME,
    attr::CLIENT_PORT,
    attr::SERVER_PORT,
    attr::RECIPIENT_COUNT,
    attr::QUEUE_ID,
    attr::INSTANCE,
    attr::SIZE,
    attr::STRESS,
    attr::SASL_METHOD,
    attr::ENCRYPTION_PROTOCOL,
    attr::ENCRYPTION_CIPHER,
    attr::ENCRYPTION_KEYSIZE,
    attr::POLICY_CONTEXT,
    attr::COMPATIBILITY_LEVEL,
    attr::MAIL_VERSION,
];
/// The name of a client without one.
const UNKNOWN: &str = "unknown";
/// Before an address in brackets.
const IPV6: &str = "IPv6:";
/// Bytes of a key: fewer could be guessed, more mean nothing.
const MIN_KEY: usize = 16;
const MAX_KEY: u64 = 4096;

#[cfg(test)]
mod tests;
