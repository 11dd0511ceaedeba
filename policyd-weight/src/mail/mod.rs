//! What follows from the attributes of a request alone: its client, HELO name, sender and recipient.

mod attributes;

pub use attributes::Attributes;

use std::{borrow::Cow, fmt::Write, net::IpAddr};

use crate::text::lower;

/// What follows from the attributes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mail {
    /// The client's address; none if the attribute is none.
    pub address: Option<IpAddr>,
    /// The address as it is printed and compared: IPv6 in eight groups of four digits.
    pub ip: String,
    /// The client's name.
    pub client_name: String,
    /// The HELO name.
    pub helo: String,
    /// The sender without what follows the first `+` or `-` of it.
    pub from: String,
    /// The recipient.
    pub recipient: String,
    /// What the requests about one mail have in common.
    pub key: String,
    /// Whether the HELO name is the client's address in brackets.
    pub helo_is_address: bool,
}

impl Mail {
    /// Looks at the attributes.
    #[must_use]
    pub fn new(attributes: &Attributes<'_>) -> Self {
        let client_address = lower(attributes.client_address);
        let address = client_address.parse().ok();
        let ip = match address {
            Some(address @ IpAddr::V6(_)) => expanded(address),
            _ => client_address,
        };
        let from = or_empty(stripped(lower(attributes.sender)));
        let helo = or_empty(lower(attributes.helo_name));
        Self {
            address,
            client_name: or_empty(lower(attributes.client_name)),
            recipient: or_empty(lower(attributes.recipient)),
            key: [&*lower(attributes.instance), &ip, &from].concat(),
            helo_is_address: bracketed_address(&helo).is_some_and(|address| address == ip),
            helo,
            from,
            ip,
        }
    }

    /// The domain behind the last `@` of the sender, which the checks of the sender look at.
    #[must_use]
    pub fn from_domain(&self) -> Option<&str> {
        self.from.rsplit_once('@').map(|(_, domain)| domain)
    }

    /// The domain behind the first `@`, which lists of domains are asked for.
    #[must_use]
    pub fn listed_domain(&self) -> Option<&str> {
        self.from.split_once('@').map(|(_, domain)| domain)
    }

    /// The beginning that addresses of the client's /24 have, or of its /16.
    pub(crate) fn network(&self, sixteen: bool) -> Cow<'_, str> {
        let end = match self.address {
            Some(IpAddr::V6(_)) if sixteen => Some(15),
            Some(IpAddr::V6(_)) => Some(20),
            _ => {
                let mut dots = self.ip.match_indices('.');
                dots.nth(if sixteen { 1 } else { 2 })
                    .map(|(dot, _)| dot + 1)
            }
        };
        match end {
            Some(end) => self.ip.get(..end).unwrap_or_default().into(),
            // It is no address.
            None => format!("{}.", self.ip).into(),
        }
    }

    /// The client, HELO name, sender and recipient, as in the line of a score.
    pub(crate) fn trace(&self, debug: bool) -> String {
        let Self {
            ip,
            client_name,
            helo,
            from,
            recipient,
            key,
            ..
        } = self;
        let instance = if debug {
            format!("<instance={key}> ")
        } else {
            String::new()
        };
        [
            &instance,
            "<client=",
            client_name,
            "[",
            ip,
            "]> <helo=",
            helo,
            "> <from=",
            from,
            "> <to=",
            recipient,
            ">",
        ]
        .concat()
    }
}

/// An address as it is printed and compared: IPv6 in eight groups of four digits.
pub(crate) fn expanded(address: IpAddr) -> String {
    let IpAddr::V6(address) = address else {
        return address.to_string();
    };
    let mut text = String::with_capacity("0000:0000:0000:0000:0000:0000:0000:0000".len());
    for group in address.segments() {
        let colon = if text.is_empty() { "" } else { ":" };
        // Writing to a string does not fail.
        _ = write!(text, "{colon}{group:04x}");
    }
    text
}

/// Takes out what is between the first `+` or `-` that has an `@` behind it, and the last `@`.
fn stripped(mut sender: String) -> String {
    if let Some(at) = sender.rfind('@')
        && let Some(start) = sender[..at].find(['+', '-'])
    {
        sender.drain(start..at);
    }
    sender
}

/// Perl's `||`: `0` is as good as nothing.
fn or_empty(text: String) -> String {
    if text == "0" { String::new() } else { text }
}

/// The address in `[192.0.2.1]`, without zeros before its numbers.
pub(crate) fn bracketed_address(text: &str) -> Option<String> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let octets: Vec<_> = inner.split('.').collect();
    let digits = |octet: &&str| {
        (1..=3).contains(&octet.len()) && octet.bytes().all(|byte| byte.is_ascii_digit())
    };
    if octets.len() != 4 || !octets.iter().all(digits) {
        return None;
    }
    // inet_aton(3) takes a number with a zero before it as octal.
    let octets = octets.iter().map(|octet| {
        let radix = if octet.starts_with('0') { 8 } else { 10 };
        u8::from_str_radix(octet, radix)
            .ok()
            .map(|octet| octet.to_string())
    });
    Some(octets.collect::<Option<Vec<_>>>()?.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(sender: &str, helo: &str, address: &str) -> Mail {
        let mut attributes = Attributes {
            instance: b"i",
            ..Attributes::default()
        };
        attributes.set(b"SENDER", sender.as_bytes());
        attributes.set(b"helo_name", helo.as_bytes());
        attributes.set(b"client_address", address.as_bytes());
        Mail::new(&attributes)
    }

    #[test]
    fn extensions_are_taken_out_of_senders() {
        for (sender, from, domain) in [
            ("x@acme.test", "x@acme.test", Some("acme.test")),
            ("X+y@Acme.test", "x@acme.test", Some("acme.test")),
            ("x-y-z@acme.test", "x@acme.test", Some("acme.test")),
            ("x@a-b.test", "x@a-b.test", Some("a-b.test")),
            ("x@a-b@c.test", "x@a@c.test", Some("c.test")),
            ("-x@acme.test", "@acme.test", Some("acme.test")),
            ("x+y", "x+y", None),
            ("0", "", None),
            ("", "", None),
        ] {
            let mail = mail(sender, "", "192.0.2.1");
            assert_eq!(
                (mail.from.as_str(), mail.from_domain()),
                (from, domain),
                "{sender}"
            );
        }
    }

    #[test]
    fn lists_are_asked_for_what_follows_the_first_sign() {
        let mail = mail("x@b@c.test", "", "192.0.2.1");
        assert_eq!(
            (mail.from_domain(), mail.listed_domain()),
            (Some("c.test"), Some("b@c.test"))
        );
    }

    #[test]
    fn addresses_are_printed_in_full() {
        for (address, ip, network, sixteen) in [
            ("192.0.2.1", "192.0.2.1", "192.0.2.", "192.0."),
            (
                "2001:db8::1",
                "2001:0db8:0000:0000:0000:0000:0000:0001",
                "2001:0db8:0000:0000:",
                "2001:0db8:0000:",
            ),
            ("x", "x", "x.", "x."),
            ("a.b.c", "a.b.c", "a.b.c.", "a.b."),
        ] {
            let mail = mail("", "", address);
            assert_eq!(
                (
                    mail.ip.as_str(),
                    &*mail.network(false),
                    &*mail.network(true)
                ),
                (ip, network, sixteen)
            );
            assert_eq!(mail.key, format!("i{ip}"));
        }
    }

    #[test]
    fn zero_is_nothing_and_letters_are_small() {
        let of = |text: &'static [u8]| {
            Mail::new(&Attributes {
                client_name: text,
                helo_name: text,
                sender: text,
                recipient: text,
                instance: b"I",
                ..Attributes::default()
            })
        };
        for (text, expected) in [(&b"0"[..], ""), (b"A", "a"), (b"00", "00")] {
            let mail = of(text);
            for text in [&mail.client_name, &mail.helo, &mail.from, &mail.recipient] {
                assert_eq!(text, expected);
            }
            assert_eq!(mail.key, format!("i{expected}"));
        }
    }

    #[test]
    fn a_helo_name_in_brackets_is_compared_with_the_client() {
        for (helo, is_address) in [
            ("[192.0.2.1]", true),
            ("[192.0.02.1]", true),
            ("[192.0.2.2]", false),
            ("[300.0.2.1]", false),
            ("192.0.2.1", false),
            ("[192.0.2]", false),
            ("[192.0.2.0001]", false),
        ] {
            assert_eq!(
                mail("", helo, "192.0.2.1").helo_is_address,
                is_address,
                "{helo}"
            );
        }
        // A zero makes a number octal.
        assert!(mail("", "[192.0.2.010]", "192.0.2.8").helo_is_address);
    }
}
