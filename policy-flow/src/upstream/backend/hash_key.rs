//! The attributes by whose values a backend is chosen.

use std::{borrow::Cow, fmt, io::Write, net::IpAddr};

use policy_proto::Request;

use crate::InvalidStrategy;

/// The attributes by whose values a server is chosen, in this order: for
/// [`Strategy::Hash`](crate::Strategy::Hash).
///
/// What is the same thing has the same key, however it is written:
///
/// - ASCII letters count as lower case, in every value. Domains have no case, addresses mostly have
///   none, and for names that have it nothing is lost: two of them share a server.
/// - An IPv6 address counts in its shortest form, and one that stands for an IPv4 address as that.
/// - An attribute that is missing counts as empty.
///
/// A request without any of these values has no key. It would be the same for all of them, and one
/// server would get them all: mail of local users where the key is a login name, say.
///
/// ```
/// use policy_flow::HashKey;
/// use policy_proto::Request;
///
/// let by_sender = HashKey::new(["sender"])?;
/// let key = |sender| {
///     let request = Request::from_attributes([("sender", sender)]).unwrap();
///     by_sender.of(&request)
/// };
/// assert_eq!(key("a@example.com"), key("A@Example.COM"));
/// assert_ne!(key("a@example.com"), key("b@example.com"));
/// assert_eq!(key(""), None);
/// # Ok::<(), policy_flow::InvalidStrategy>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HashKey {
    names: Box<[Box<str>]>,
}

impl HashKey {
    /// By these attributes, 1 to 16 of them. A name that Postfix does not send today is allowed: it
    /// may tomorrow.
    ///
    /// # Errors
    ///
    /// What is wrong with a name, or that there are too many.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidStrategy> {
        let names: Box<[Box<str>]> = names.into_iter().take(MOST + 1).map(Box::from).collect();
        match names.len() {
            0 => Err(InvalidStrategy::Name),
            1..=MOST if names.iter().all(|name| is_name(name)) => Ok(Self { names }),
            1..=MOST => Err(InvalidStrategy::Name),
            _ => Err(InvalidStrategy::TooMany),
        }
    }

    /// The key of a request; `None` if it has none of the values. The same on every machine and in
    /// every release.
    #[must_use]
    pub fn of(&self, request: &Request) -> Option<u64> {
        let mut is_any = false;
        let values = self.names.iter().map(|name| {
            let value = request.get(&**name).unwrap_or_default();
            is_any |= !value.is_empty();
            canonical(value)
        });
        let key = policy_ha::key(values);
        is_any.then_some(key)
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names.join(","))
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

/// A value as it counts. Nothing is copied where it is written like that already, as Postfix does
/// with addresses of clients.
fn canonical(value: &[u8]) -> Cow<'_, [u8]> {
    if let Some(address) = ipv6(value) {
        let mut text = [0; LONGEST_ADDRESS];
        let mut rest = &mut text[..];
        // There is room for every address.
        _ = write!(rest, "{}", address.to_canonical());
        let len = LONGEST_ADDRESS - rest.len();
        return match &text[..len] {
            text if text == value => Cow::Borrowed(value),
            text => Cow::Owned(text.to_owned()),
        };
    }
    if value.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(value.to_ascii_lowercase())
    } else {
        Cow::Borrowed(value)
    }
}

/// The only kind of address that can be written in several ways.
fn ipv6(value: &[u8]) -> Option<IpAddr> {
    let may_be = value.len() <= LONGEST_ADDRESS && value.contains(&b':');
    let text = str::from_utf8(value).ok().filter(|_| may_be)?;
    text.parse().ok()
}

/// `0000:0000:0000:0000:0000:ffff:255.255.255.255`
const LONGEST_ADDRESS: usize = 45;
/// More than half of all attributes that there are.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn how_a_value_is_written_does_not_count(
            value in prop_oneof![
                "[ -~]{0,60}",
                any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string()),
            ],
        ) {
            let once = canonical(value.as_bytes()).into_owned();
            prop_assert_eq!(&*canonical(&once), &*once, "its form is its own");
            for other in [value.to_ascii_uppercase(), value.to_ascii_lowercase()] {
                prop_assert_eq!(&*canonical(other.as_bytes()), &*once);
            }
        }

        #[test]
        fn any_bytes_have_a_form(value in prop::collection::vec(any::<u8>(), 0..100)) {
            let form = canonical(&value).into_owned();
            prop_assert_eq!(&*canonical(&form), &*form);
        }

        #[test]
        fn an_address_has_one_form_however_long_it_is_written(address in any::<std::net::Ipv6Addr>()) {
            let long = address.segments().map(|part| format!("{part:04X}")).join(":");
            let short = address.to_canonical().to_string();
            prop_assert_eq!(&*canonical(long.as_bytes()), short.as_bytes());
        }
    }

    fn key(names: &[&str], attributes: &[(&str, &str)]) -> Option<u64> {
        let request = Request::from_attributes(attributes.iter().copied()).unwrap();
        HashKey::new(names.iter().copied()).unwrap().of(&request)
    }

    #[test]
    fn values_count_in_one_form() {
        for (written, counts) in [
            ("a@example.com", "a@example.com"),
            ("A.User@EXAMPLE.com", "a.user@example.com"),
            ("MX1.Example.COM", "mx1.example.com"),
            ("J\u{dc}RGEN@example.com", "j\u{dc}rgen@example.com"),
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:DB8:0:0::0001", "2001:db8::1"),
            (
                "0000:0000:0000:0000:0000:ffff:192.000.002.001",
                "0000:0000:0000:0000:0000:ffff:192.000.002.001",
            ),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::FFFF:c000:201", "192.0.2.1"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("AB:CD:EF", "ab:cd:ef"),
            ("", ""),
        ] {
            let text = canonical(written.as_bytes());
            assert_eq!(str::from_utf8(&text).unwrap(), counts, "{written}");
        }
    }

    #[test]
    fn what_is_written_as_it_counts_is_not_copied() {
        for value in [
            "a@example.com",
            "192.0.2.1",
            "2001:db8::1",
            "::1",
            "x:y",
            "",
        ] {
            let borrowed = matches!(canonical(value.as_bytes()), Cow::Borrowed(_));
            assert!(borrowed, "{value}");
        }
    }

    #[test]
    fn a_request_without_any_of_the_values_has_no_key() {
        let names = ["sasl_username", "sender"];
        let some = key(&names, &[("sender", "a")]);
        assert!(some.is_some());
        assert_eq!(key(&names, &[("sasl_username", ""), ("sender", "a")]), some);
        assert_eq!(key(&names, &[("sasl_username", ""), ("sender", "")]), None);
        assert_eq!(key(&names, &[("recipient", "a")]), None);
    }

    #[test]
    fn which_attribute_has_a_value_counts() {
        let names = ["sender", "recipient"];
        let keys = [
            key(&names, &[("sender", "a")]),
            key(&names, &[("recipient", "a")]),
            key(
                &["recipient", "sender"],
                &[("sender", "b"), ("recipient", "a")],
            ),
            key(&names, &[("sender", "b"), ("recipient", "a")]),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{keys:x?}");
        }
    }

    #[test]
    fn keys_are_fixed_for_ever() {
        let of = |value| key(&["sender"], &[("sender", value)]);
        assert_eq!(of("User@Example.com"), Some(0xddef_6c6d_918a_7c15));
        assert_eq!(
            of("user@example.com"),
            Some(policy_ha::key(["user@example.com"]))
        );
        let triplet = key(
            &["client_address", "sender", "recipient"],
            &[
                ("recipient", "b@example.org"),
                ("sender", ""),
                ("client_address", "2001:DB8::0:1"),
            ],
        );
        assert_eq!(
            triplet,
            Some(policy_ha::key(["2001:db8::1", "", "b@example.org"]))
        );
    }

    #[test]
    fn names_are_checked_for_what_can_be_no_attribute() {
        let long = "x".repeat(64);
        for name in ["sender", "new_in_postfix_4", "x-1", &long] {
            assert!(HashKey::new([name]).is_ok(), "{name}");
        }
        let longer = "x".repeat(65);
        for name in ["", "Sender", "a=b", "a b", "a\n", "\u{e4}", &longer] {
            assert_eq!(HashKey::new([name]), Err(InvalidStrategy::Name), "{name}");
        }
        assert_eq!(HashKey::new([]), Err(InvalidStrategy::Name));
        assert!(HashKey::new(["a"; 16]).is_ok());
        assert_eq!(HashKey::new(["a"; 17]), Err(InvalidStrategy::TooMany));
    }
}
