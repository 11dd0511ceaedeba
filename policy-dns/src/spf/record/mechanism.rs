//! Mechanisms: reading, printing, and what they say of a client (RFC 7208, 5).

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::{arguments::Arguments, network::Prefixes};
use crate::spf::{SpfRequest, SpfResult, macros::MacroString, problem::Problem, scan::printable};

/// A mechanism with its qualifier.
///
/// It prints as Mail::SPF does: `-all`, `a:acme.test/24//64`, without what is the default.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::spf) struct Mechanism {
    /// The result where the mechanism matches.
    pub(in crate::spf) result: SpfResult,
    pub(in crate::spf) test: Test,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::spf) enum Test {
    All,
    Include(MacroString),
    A(Option<MacroString>, Prefixes),
    Mx(Option<MacroString>, Prefixes),
    Ptr(Option<MacroString>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(MacroString),
}

impl Mechanism {
    /// Reads a term whose name, after a qualifier of `qualifier` bytes, takes `name` bytes.
    pub(in crate::spf) fn parse(
        term: &[u8],
        qualifier: usize,
        name: usize,
    ) -> Result<Self, Problem> {
        let result = match term.first() {
            Some(b'-') => SpfResult::Fail,
            Some(b'~') => SpfResult::SoftFail,
            Some(b'?') => SpfResult::Neutral,
            _ => SpfResult::Pass,
        };
        let (name, rest) = term
            .get(qualifier..)
            .unwrap_or_default()
            .split_at_checked(name)
            .unwrap_or_default();
        let mut arguments = Arguments::new(term, rest);
        let name = name.to_ascii_lowercase();
        let test = match &*name {
            b"all" => Test::All,
            b"include" => Test::Include(arguments.required_domain()?),
            b"a" => Test::A(arguments.domain()?, arguments.prefixes()?),
            b"mx" => Test::Mx(arguments.domain()?, arguments.prefixes()?),
            b"ptr" => Test::Ptr(arguments.domain()?),
            b"ip4" => {
                let (address, length) = arguments.ip4()?;
                Test::Ip4(address, length)
            }
            b"ip6" => {
                let (address, length) = arguments.ip6()?;
                Test::Ip6(address, length)
            }
            b"exists" => Test::Exists(arguments.required_domain()?),
            _ => return Err(Problem::UnknownMechanism(printable(&name))),
        };
        if !arguments.is_empty() {
            return Err(Problem::JunkInMechanism(printable(term)));
        }
        Ok(Self { result, test })
    }

    /// Its sentence about the client of a request if it matches, in Mail::SPF's words.
    pub(in crate::spf) fn explanation(&self, request: &SpfRequest) -> String {
        let by_default = if self.test == Test::All {
            " by default"
        } else {
            ""
        };
        let by_address = matches!(
            self.test,
            Test::A(..) | Test::Mx(..) | Test::Ptr(_) | Test::Ip4(..) | Test::Ip6(..)
        );
        let client = by_address.then(|| request.client.to_string());
        let subject = client.as_deref().unwrap_or("Sender");
        let usage = format!(
            "use '{}' in '{}' identity",
            printable(&request.identity),
            request.scope
        );
        match self.result {
            SpfResult::Pass => format!("{subject} is authorized{by_default} to {usage}"),
            SpfResult::Fail => format!("{subject} is not authorized{by_default} to {usage}"),
            SpfResult::SoftFail => format!(
                "{subject} is not authorized{by_default} to {usage}, \
                 however domain is not currently prepared for false failures"
            ),
            _ => {
                let subject = client.as_deref().unwrap_or("sender");
                format!("Domain does not state whether {subject} is authorized to {usage}")
            }
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.result {
            SpfResult::Fail => "-",
            SpfResult::SoftFail => "~",
            SpfResult::Neutral => "?",
            _ => "",
        })?;
        write!(f, "{}", self.test)
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain =
            |domain: &MacroString| format!(":{}", printable(&domain.text().to_ascii_lowercase()));
        let optional = |text: &Option<MacroString>| text.as_ref().map(domain).unwrap_or_default();
        match self {
            Self::All => f.write_str("all"),
            Self::Include(name) => write!(f, "include{}", domain(name)),
            Self::A(name, prefixes) => write!(f, "a{}{prefixes}", optional(name)),
            Self::Mx(name, prefixes) => write!(f, "mx{}{prefixes}", optional(name)),
            Self::Ptr(name) => write!(f, "ptr{}", optional(name)),
            Self::Exists(name) => write!(f, "exists{}", domain(name)),
            Self::Ip4(address, 32) => write!(f, "ip4:{address}"),
            Self::Ip4(address, length) => write!(f, "ip4:{address}/{length}"),
            Self::Ip6(address, 128) => write!(f, "ip6:{}", hex(*address)),
            Self::Ip6(address, length) => write!(f, "ip6:{}/{length}", hex(*address)),
        }
    }
}

/// As Perl's NetAddr::IP writes it: upper case, no IPv4 address within.
fn hex(address: Ipv6Addr) -> String {
    match address.to_ipv4_mapped() {
        Some(mapped) => {
            let [a, b, c, d] = mapped.octets().map(u16::from);
            format!("::FFFF:{:X}:{:X}", a << 8 | b, c << 8 | d)
        }
        None => address.to_string().to_ascii_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spf::scan;

    fn read(term: &str) -> Result<String, String> {
        let qualifier = usize::from(term.starts_with(['+', '-', '~', '?']));
        let name = scan::name(&term.as_bytes()[qualifier..]);
        let read = Mechanism::parse(term.as_bytes(), qualifier, name);
        read.map(|mechanism| mechanism.to_string())
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn mechanisms_print_without_defaults() {
        for (term, expected) in [
            ("+all", "all"),
            ("~ALL", "~all"),
            ("A", "a"),
            ("a/24//64", "a/24//64"),
            ("-a:Foo.Example.COM./32//128", "-a:foo.example.com"),
            ("mx//0", "mx//0"),
            ("?mx:%{d2}/0", "?mx:%{d2}/0"),
            ("ptr:a.test", "ptr:a.test"),
            ("ip4:192.0.2.1/32", "ip4:192.0.2.1"),
            ("ip4:192.0.2.1/8", "ip4:192.0.2.1/8"),
            ("ip6:2001:db8::/32", "ip6:2001:DB8::/32"),
            ("ip6:::1.1.1.1/0", "ip6:::101:101/0"),
            ("ip6:::ffff:1.2.3.4", "ip6:::FFFF:102:304"),
            ("ip6:1:0:0:0:2:0:0:3", "ip6:1::2:0:0:3"),
            ("ip6:1:2:3:4:5:6:7:0", "ip6:1:2:3:4:5:6:7:0"),
            ("exists:%{ir}.A.test", "exists:%{ir}.a.test"),
            ("include:b.test.", "include:b.test"),
        ] {
            assert_eq!(read(term).as_deref(), Ok(expected), "{term}");
        }
    }

    #[test]
    fn errors_are_named_as_by_mail_spf() {
        for (term, expected) in [
            ("all:x", "Junk encountered in mechanism 'all:x'"),
            (
                "-foo:bar",
                "Unknown mechanism type 'foo' in 'v=spf1' record",
            ),
            ("a:", "Junk encountered in mechanism 'a:'"),
            ("a:/24", "Junk encountered in mechanism 'a:/24'"),
            ("a/24.com", "Junk encountered in mechanism 'a/24.com'"),
            ("a/033", "Invalid IPv4 prefix length encountered in 'a/033'"),
            ("a/33", "Invalid IPv4 prefix length encountered in 'a/33'"),
            (
                "a//129",
                "Invalid IPv6 prefix length encountered in 'a//129'",
            ),
            (
                "a/24/64",
                "Missing required IPv6 prefix length in 'a/24/64'",
            ),
            (
                "a/999999999999999999999",
                "Invalid IPv4 prefix length encountered in 'a/999999999999999999999'",
            ),
            ("ip4", "Missing required IPv4 address in 'ip4'"),
            ("ip4:1.2.3", "Missing required IPv4 address in 'ip4:1.2.3'"),
            (
                "ip4:1.2.3.4:80",
                "Junk encountered in mechanism 'ip4:1.2.3.4:80'",
            ),
            (
                "ip6:1::2::3",
                "Missing required IPv6 address in 'ip6:1::2::3'",
            ),
            ("ip6:::1//33", "Junk encountered in mechanism 'ip6:::1//33'"),
            ("ip6", "Missing required IPv6 address in 'ip6'"),
            ("ptr/0", "Junk encountered in mechanism 'ptr/0'"),
            ("include", "Missing required domain-spec in 'include'"),
            ("-exists:", "Missing required domain-spec in '-exists:'"),
            (
                "exists:%{z}.test",
                "Unknown macro character 'z' at pos 0 in macro string '%{z}.test'",
            ),
        ] {
            assert_eq!(read(term).unwrap_err(), expected, "{term}");
        }
    }
}
