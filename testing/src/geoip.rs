//! A `GeoIP.dat`, MaxMind's file of countries of before 2018, made for a test.

use std::net::Ipv4Addr;

/// A file of these networks: address, length and the country's number. Each bit is a node.
pub fn geoip_dat(networks: &[(Ipv4Addr, u8, u32)]) -> Vec<u8> {
    let mut nodes = vec![[NO_COUNTRY; 2]];
    for (address, length, country) in networks {
        let bits = address.to_bits();
        let mut node = 0;
        for depth in 0..*length {
            let side = (bits << depth >> 31) as usize;
            if depth + 1 == *length {
                nodes[node][side] = NO_COUNTRY + country;
            } else if nodes[node][side] >= NO_COUNTRY {
                nodes.push([nodes[node][side]; 2]);
                nodes[node][side] = nodes.len() as u32 - 1;
                node = nodes.len() - 1;
            } else {
                node = nodes[node][side] as usize;
            }
        }
    }
    let branches = nodes.iter().flatten();
    let mut bytes: Vec<u8> = branches
        .flat_map(|branch| branch.to_le_bytes()[..3].to_vec())
        .collect();
    bytes.extend_from_slice(b"\0\0\0A description\xff\xff\xff\x01");
    bytes
}

/// What a node has in the place of another node where there is no country.
const NO_COUNTRY: u32 = 16_776_960;

/// The numbers of some countries.
pub const CN: u32 = 48;
/// Germany's.
pub const DE: u32 = 56;
/// That of the United States.
pub const US: u32 = 225;
