//! MaxMind's files of countries, made for a test: `GeoIP.dat`, that of before 2018, and `.mmdb`.

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

/// An `.mmdb` that has the addresses below 128.0.0.0 in Germany, and the others registered in the United States.
pub fn mmdb() -> Vec<u8> {
    let text = |text: &str| [&[0x40 | text.len() as u8], text.as_bytes()].concat();
    let map = |pairs: &[(&str, Vec<u8>)]| {
        let mut out = vec![0xe0 | pairs.len() as u8];
        for (key, value) in pairs {
            out.extend(text(key));
            out.extend(value);
        }
        out
    };
    let country = |record, code| map(&[(record, map(&[("iso_code", text(code))]))]);
    let (first, second) = (
        country("country", "DE"),
        country("registered_country", "US"),
    );
    // One node of two branches of 24 bits: where the data are, counted from the nodes' end less 16.
    let at = |offset: usize| (1 + 16 + offset as u32).to_be_bytes()[1..].to_vec();
    let mut bytes = [at(0), at(first.len()), vec![0; 16], first, second].concat();
    bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    let short = |number: u8| vec![0xa1, number];
    let long = |number: u8| vec![0xc1, number];
    bytes.extend(map(&[
        ("node_count", long(1)),
        ("record_size", short(24)),
        ("ip_version", short(4)),
        ("database_type", text("Test")),
        ("languages", vec![0x00, 0x04]),
        ("binary_format_major_version", short(2)),
        ("binary_format_minor_version", short(0)),
        ("build_epoch", vec![0x01, 0x02, 1]),
        ("description", vec![0xe0]),
    ]));
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
