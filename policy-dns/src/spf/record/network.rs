//! Networks around an address: prefix lengths, and whether a client is within (RFC 7208, 5.6).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The lengths of networks around the addresses of a host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::spf) struct Prefixes {
    pub(in crate::spf) v4: u8,
    pub(in crate::spf) v6: u8,
}

impl Prefixes {
    /// Whether `client` is in the network of `address`.
    pub(in crate::spf) fn contain(self, address: IpAddr, client: IpAddr) -> bool {
        match (address, client) {
            (IpAddr::V4(address), IpAddr::V4(client)) => within_v4(address, self.v4, client),
            (IpAddr::V6(address), IpAddr::V6(client)) => within_v6(address, self.v6, client),
            _ => false,
        }
    }
}

pub(in crate::spf) fn within_v4(network: Ipv4Addr, length: u8, client: Ipv4Addr) -> bool {
    let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
    (network.to_bits() ^ client.to_bits()) & mask == 0
}

pub(in crate::spf) fn within_v6(network: Ipv6Addr, length: u8, client: Ipv6Addr) -> bool {
    let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    (network.to_bits() ^ client.to_bits()) & mask == 0
}

impl fmt::Display for Prefixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.v4 != 32 {
            write!(f, "/{}", self.v4)?;
        }
        if self.v6 != 128 {
            write!(f, "//{}", self.v6)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_by_their_first_bits() {
        let v4 = |length| within_v4([192, 0, 2, 1].into(), length, [192, 0, 3, 1].into());
        assert_eq!([0, 1, 23, 24, 32].map(v4), [true, true, true, false, false]);
        let (a, b) = (
            "2001:db8::1".parse().unwrap(),
            "2001:db8:8000::1".parse().unwrap(),
        );
        assert_eq!(
            [0, 32, 33, 128].map(|length| within_v6(a, length, b)),
            [true, true, false, false]
        );
        let prefixes = Prefixes { v4: 0, v6: 0 };
        assert!(!prefixes.contain("::1".parse().unwrap(), "192.0.2.1".parse().unwrap()));
    }
}
