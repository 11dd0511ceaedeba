//! Probes that policy servers remember.

use std::net::IpAddr;

use policy_proto::{Request, attr};

/// A line for each thing that policy servers remember of a probe that is not about nobody.
pub(super) fn side_effects(request: &Request) -> impl Iterator<Item = String> {
    let value = |name: &str| {
        let value = request.get(name).filter(|value| !value.is_empty())?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    let real = |name: &str| value(name).filter(|value| !is_nobodys(value));
    let user = value(attr::SASL_USERNAME)
        .map(|user| format!("each probe counts against the quota of sasl_username '{user}'"));
    let addresses = [attr::SENDER, attr::RECIPIENT]
        .into_iter()
        .filter_map(move |name| {
            let value = real(name)?;
            Some(format!(
                "greylists and rate limits take each probe for mail of {name} '{value}'"
            ))
        });
    let client = value(attr::CLIENT_ADDRESS)
        .filter(|address| !is_documentation(address))
        .map(|address| format!("rate limits count each probe for client_address '{address}'"));
    let addresses: Vec<String> = addresses.collect();
    user.into_iter().chain(addresses).chain(client)
}

/// An address in a domain that is reserved for examples and tests.
fn is_nobodys(address: &str) -> bool {
    let domain = address
        .rsplit('@')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_below = |reserved: &&str| {
        domain
            .strip_suffix(reserved)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    RESERVED.iter().any(is_below)
}

/// An address that is reserved for documentation, or this machine's own.
fn is_documentation(address: &str) -> bool {
    match address
        .parse::<IpAddr>()
        .map(|address| address.to_canonical())
    {
        Ok(IpAddr::V4(address)) => address.is_documentation() || address.is_loopback(),
        Ok(IpAddr::V6(address)) => {
            address.is_loopback() || matches!(address.segments(), [0x2001, 0xdb8, ..])
        }
        Err(_) => true,
    }
}

const RESERVED: [&str; 7] = [
    "example",
    "example.com",
    "example.net",
    "example.org",
    "invalid",
    "test",
    "localhost",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_about_nobody_has_no_side_effects_and_others_are_told() {
        let effects = |attributes: &[(&str, &str)]| {
            let request = Request::from_attributes(attributes.iter().copied()).unwrap();
            side_effects(&request).collect::<Vec<_>>()
        };
        assert_eq!(
            effects(&[
                ("sender", "a@mail.Example.com"),
                ("recipient", "b@host.invalid"),
                ("client_address", "192.0.2.1"),
                ("sasl_username", ""),
            ]),
            [""; 0]
        );
        assert_eq!(
            effects(&[
                ("sender", "a@notexample.com"),
                ("recipient", "b@example.de"),
                ("client_address", "9.9.9.9"),
                ("sasl_username", "ann"),
            ]),
            [
                "each probe counts against the quota of sasl_username 'ann'",
                "greylists and rate limits take each probe for mail of sender 'a@notexample.com'",
                "greylists and rate limits take each probe for mail of recipient 'b@example.de'",
                "rate limits count each probe for client_address '9.9.9.9'",
            ]
        );
    }
}
