//! A request: the attributes that a score depends on, and what follows from them alone.

use std::{borrow::Cow, net::IpAddr};

/// The attributes of a request that count, in lower case, as the Perl program takes them.
///
/// Texts are bytes, each a character from U+0000 to U+00FF: nothing is decoded. What is in lower case already is not copied.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[expect(missing_docs, reason = "each is the attribute of its name")]
pub struct Attributes<'a> {
    pub request: Cow<'a, str>,
    pub protocol_state: Cow<'a, str>,
    pub client_address: Cow<'a, str>,
    pub client_name: Cow<'a, str>,
    pub helo_name: Cow<'a, str>,
    pub sender: Cow<'a, str>,
    pub recipient: Cow<'a, str>,
    pub instance: Cow<'a, str>,
}

impl<'a> Attributes<'a> {
    /// Takes an attribute. The last one of a name counts.
    pub fn set(&mut self, name: &[u8], value: &'a [u8]) {
        if let Some(place) = self.place(name) {
            // The end of a longer value is cut: no name and no address is so long.
            *place = lower(value.get(..MAX_VALUE).unwrap_or(value));
        }
    }

    fn place(&mut self, name: &[u8]) -> Option<&mut Cow<'a, str>> {
        Some(match name {
            b"request" => &mut self.request,
            b"protocol_state" => &mut self.protocol_state,
            b"client_address" => &mut self.client_address,
            b"client_name" => &mut self.client_name,
            b"helo_name" => &mut self.helo_name,
            b"sender" => &mut self.sender,
            b"recipient" => &mut self.recipient,
            b"instance" => &mut self.instance,
            _ if name.iter().any(u8::is_ascii_uppercase) => {
                return self.place(&name.to_ascii_lowercase());
            }
            _ => return None,
        })
    }

    /// Whether it is a bounce. A sender with an extension keeps its `@`, so that none becomes empty by that.
    #[must_use]
    pub fn has_no_sender(&self) -> bool {
        matches!(&*self.sender, "" | "0")
    }

    /// The client, HELO name, sender and recipient, as in lines of the log.
    #[must_use]
    pub fn trace(&self, debug: bool) -> String {
        let Self {
            client_address,
            client_name,
            helo_name,
            sender,
            recipient,
            instance,
            ..
        } = self;
        let instance = if debug {
            format!("<instance={instance}> ")
        } else {
            String::new()
        };
        // Not by `format!`: each request costs this.
        [
            instance.as_str(),
            "<client=",
            client_name,
            "[",
            client_address,
            "]> <helo=",
            helo_name,
            "> <from=",
            sender,
            "> <to=",
            recipient,
            ">",
        ]
        .concat()
    }
}

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
    /// What is behind the last `@` of the sender.
    pub from_domain: Option<String>,
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
        let ip = expanded(&attributes.client_address);
        let from = or_empty(&stripped(&attributes.sender));
        let helo = or_empty(&attributes.helo_name);
        Self {
            address: attributes.client_address.parse().ok(),
            client_name: or_empty(&attributes.client_name),
            from_domain: attributes
                .sender
                .rsplit_once('@')
                .map(|(_, domain)| domain.to_owned()),
            recipient: or_empty(&attributes.recipient),
            key: [&*attributes.instance, &ip, &from].concat(),
            helo_is_address: bracketed_address(&helo).is_some_and(|address| address == ip),
            helo,
            from,
            ip,
        }
    }

    /// The domain behind the last `@` of the stripped sender, which the checks of the sender look at.
    #[must_use]
    pub fn checked_domain(&self) -> Option<&str> {
        self.from.rsplit_once('@').map(|(_, domain)| domain)
    }

    /// The domain behind the first `@`, which lists of domains are asked for.
    #[must_use]
    pub fn listed_domain(&self) -> Option<&str> {
        self.from.split_once('@').map(|(_, domain)| domain)
    }

    /// The beginning that addresses of the client's /24 have, or of its /16.
    pub(crate) fn network(&self, sixteen: bool) -> String {
        match self.address {
            Some(IpAddr::V6(_)) => self
                .ip
                .get(..if sixteen { 15 } else { 20 })
                .unwrap_or_default()
                .to_owned(),
            _ => {
                let octets = self.ip.split('.').take(if sixteen { 2 } else { 3 });
                octets.map(|octet| format!("{octet}.")).collect()
            }
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
        format!(
            "{instance}<client={client_name}[{ip}]> <helo={helo}> <from={from}> <to={recipient}>"
        )
    }
}

/// An address as it is printed and compared: IPv6 in eight groups of four digits.
pub(crate) fn expanded(text: &str) -> String {
    match text.parse() {
        Ok(IpAddr::V6(address)) => address
            .segments()
            .map(|group| format!("{group:04x}"))
            .join(":"),
        _ => text.to_owned(),
    }
}

/// A value in lower case.
fn lower(value: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(value) {
        Ok(text) if text.is_ascii() && !has_upper(value) => Cow::Borrowed(text),
        _ => {
            let lower = value.to_ascii_lowercase().into_iter();
            Cow::Owned(lower.map(char::from).collect())
        }
    }
}

/// Looks at all bytes: that is quicker than to stop at one.
fn has_upper(text: &[u8]) -> bool {
    text.iter()
        .fold(false, |has, byte| has | byte.is_ascii_uppercase())
}

/// Takes out what is between the first `+` or `-` that has an `@` behind it, and the last `@`.
fn stripped(sender: &str) -> String {
    let last_at = sender.rfind('@');
    let extension = last_at.and_then(|at| Some((sender.get(..at)?.find(['+', '-'])?, at)));
    match extension {
        Some((start, at)) => [sender.get(..start), sender.get(at..)]
            .into_iter()
            .flatten()
            .collect(),
        None => sender.to_owned(),
    }
}

/// Perl's `||`: `0` is as good as nothing.
fn or_empty(text: &str) -> String {
    if text == "0" {
        String::new()
    } else {
        text.to_owned()
    }
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

/// How much of a value counts.
const MAX_VALUE: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(sender: &str, helo: &str, address: &str) -> Mail {
        let mut attributes = Attributes {
            instance: "i".into(),
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
                (mail.from.as_str(), mail.from_domain.as_deref()),
                (from, domain),
                "{sender}"
            );
        }
    }

    #[test]
    fn lists_are_asked_for_what_follows_the_first_sign() {
        let mail = mail("x@b@c.test", "", "192.0.2.1");
        assert_eq!(
            (mail.checked_domain(), mail.listed_domain()),
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
        ] {
            let mail = mail("", "", address);
            assert_eq!(
                (
                    mail.ip.as_str(),
                    mail.network(false).as_str(),
                    mail.network(true).as_str()
                ),
                (ip, network, sixteen)
            );
            assert_eq!(mail.key, format!("i{ip}"));
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
    }
}
