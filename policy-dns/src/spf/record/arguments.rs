//! The arguments of mechanisms: domains, networks, prefix lengths (RFC 7208, 5).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::network::Prefixes;
use crate::spf::{
    macros::MacroString,
    problem::Problem,
    scan::{self, printable, run},
};

/// The text after the name of a mechanism.
pub(in crate::spf) struct Arguments<'a> {
    term: &'a [u8],
    rest: &'a [u8],
    /// A colon was there, with something after it.
    has_value: bool,
}

impl<'a> Arguments<'a> {
    /// The arguments of `term`, of which `rest` follows the name.
    pub(in crate::spf) fn new(term: &'a [u8], rest: &'a [u8]) -> Self {
        match rest.strip_prefix(b":").filter(|value| !value.is_empty()) {
            Some(value) => Self {
                term,
                rest: value,
                has_value: true,
            },
            None => Self {
                term,
                rest,
                has_value: false,
            },
        }
    }

    /// Whether all is read.
    pub(in crate::spf) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    pub(in crate::spf) fn required_domain(&mut self) -> Result<MacroString, Problem> {
        self.domain()?
            .ok_or_else(|| Problem::MissingDomain(printable(self.term)))
    }

    pub(in crate::spf) fn domain(&mut self) -> Result<Option<MacroString>, Problem> {
        if !self.has_value {
            return Ok(None);
        }
        let Some(length) = scan::domain_spec(self.rest) else {
            // What is there is junk then: a colon wants a domain.
            self.has_value = false;
            return Ok(None);
        };
        domain_spec(self.take(length)).map(Some)
    }

    /// `[ "/" number ] [ "//" number ]`.
    pub(in crate::spf) fn prefixes(&mut self) -> Result<Prefixes, Problem> {
        let colon_alone = !self.has_value && self.term.contains(&b':');
        if colon_alone {
            return Err(Problem::JunkInMechanism(printable(self.term)));
        }
        let v4 = self.prefix(4, 32)?.unwrap_or(32);
        if self.rest.first() != Some(&b'/') {
            return Ok(Prefixes { v4, v6: 128 });
        }
        self.take(1);
        let v6 = self
            .prefix(6, 128)?
            .ok_or_else(|| Problem::MissingPrefix(printable(self.term)))?;
        Ok(Prefixes { v4, v6 })
    }

    fn prefix(&mut self, version: u8, most: u8) -> Result<Option<u8>, Problem> {
        let Some(digits) = self
            .rest
            .strip_prefix(b"/")
            .map(|rest| run(rest, u8::is_ascii_digit))
            .filter(|&n| n > 0)
        else {
            return Ok(None);
        };
        let digits = self.take(digits + 1).get(1..).unwrap_or_default();
        let number = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse().ok());
        let plain = digits.len() == 1 || digits.first() != Some(&b'0');
        let number = number.filter(|&number| number <= most && plain);
        number
            .map(Some)
            .ok_or_else(|| Problem::InvalidPrefix(version, printable(self.term)))
    }

    pub(in crate::spf) fn ip4(&mut self) -> Result<(Ipv4Addr, u8), Problem> {
        let missing = || Problem::MissingAddress(4, printable(self.term));
        let found = self
            .has_value
            .then(|| scan::ipv4_address(self.rest))
            .flatten();
        let (address, length) = found.ok_or_else(missing)?;
        self.take(length);
        Ok((address, self.prefix(4, 32)?.unwrap_or(32)))
    }

    pub(in crate::spf) fn ip6(&mut self) -> Result<(Ipv6Addr, u8), Problem> {
        let missing = || Problem::MissingAddress(6, printable(self.term));
        let length = run(self.rest, |&byte| byte != b'/');
        let text = self.rest.get(..length).filter(|_| self.has_value);
        let address = text
            .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok())
            .ok_or_else(missing)?;
        self.take(length);
        Ok((address, self.prefix(6, 128)?.unwrap_or(128)))
    }
}

/// Reads a domain-spec, of which a dot at the end is no part.
pub(in crate::spf) fn domain_spec(text: &[u8]) -> Result<MacroString, Problem> {
    MacroString::parse(text.strip_suffix(b".").unwrap_or(text))
}
