//! Which clients count as one: those in the same network.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::Section;

/// How many bits of an address count.
#[derive(Clone, Copy, Debug)]
pub(in crate::plugins) struct Masks {
    ipv4: u8,
    ipv6: u8,
}

impl Masks {
    /// The parameters `ipv4_mask` and `ipv6_mask`. By default the whole of an IPv4 address counts, as in the original, and
    /// 64 bits of an IPv6 address: a host can have as many addresses as it likes below them. With `--compat` all 128.
    pub(in crate::plugins) fn read(section: &mut Section<'_>) -> Self {
        let ipv6 = if section.compat() { 128 } else { 64 };
        Self {
            ipv4: bits(section, "ipv4_mask", 32, 32),
            ipv6: bits(section, "ipv6_mask", ipv6, 128),
        }
    }

    /// The network of an address as text; what is no address, and an address all of which counts, as it is.
    pub(in crate::plugins) fn network(self, text: &str) -> String {
        let network = text.parse::<IpAddr>().ok().and_then(|address| {
            let address = address.to_canonical();
            let bits = if address.is_ipv4() {
                self.ipv4
            } else {
                self.ipv6
            };
            let is_whole = usize::from(bits) == address_bits(address);
            IpNet::new(address, bits).ok().filter(|_| !is_whole)
        });
        network.map_or_else(
            || text.to_owned(),
            |network| network.trunc().addr().to_string(),
        )
    }
}

fn address_bits(address: IpAddr) -> usize {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(section: &mut Section<'_>, key: &str, default: u8, most: u8) -> u8 {
    let bits = section.count(key, default.into());
    let bits = u8::try_from(bits).ok().filter(|bits| *bits <= most);
    bits.unwrap_or_else(|| {
        section.error(key, format!("`{key}` is not a number from 0 to {most}"));
        default
    })
}
