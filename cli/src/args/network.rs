//! Networks in CIDR notation: `--allow`.

use std::net::IpAddr;

use ipnet::IpNet;

/// An address, or a network in CIDR notation. IPv4 that is mapped into IPv6 means IPv4: a socket that
/// serves both sees such clients.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let net = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(net), _) => net,
        (_, Ok(address)) => address.into(),
        _ => return Err("neither an address nor a network such as 192.0.2.0/24".to_owned()),
    };
    // Most likely a slip, and then it would be anybody's guess which end of it.
    if net.trunc() != net {
        return Err(format!("not a network: {} is one", net.trunc()));
    }
    match (net.addr().to_canonical(), net.prefix_len()) {
        (IpAddr::V4(address), length @ 96..) if net.addr().is_ipv6() => {
            IpNet::new(address.into(), length - 96).map_err(|error| error.to_string())
        }
        _ => Ok(net),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_addresses_or_cidr() {
        for (text, expected) in [
            ("192.0.2.1", "192.0.2.1/32"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("::ffff:192.0.2.1", "192.0.2.1/32"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            let net = network(text).map(|net| net.to_string());
            assert_eq!(net.as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "localhost",
            "192.0.2",
            "192.0.2.0/33",
            "192.0.2.1/24",
            "2001:db8::1/32",
            "::/129",
            "192.0.2.0/",
            "/24",
            " 192.0.2.1",
        ] {
            assert!(network(text).is_err(), "{text}");
        }
    }
}
