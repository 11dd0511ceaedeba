//! Small files of both kinds, made here.

#[cfg(feature = "geo")]
use policy_testing::mmdb::mmdb;

use super::*;

/// A `GeoIP.dat` of networks: each bit is a node.
fn legacy(networks: &[(&str, u32)], kind: u8) -> Vec<u8> {
    let mut nodes = vec![[16_776_960_u32; 2]];
    for (network, country) in networks {
        let network: ipnet::IpNet = network.parse().unwrap();
        let (bits, width) = match network.addr() {
            IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
            IpAddr::V6(address) => (u128::from(address), 128),
        };
        assert!(network.prefix_len() <= width);
        let mut node = 0;
        for depth in 0..network.prefix_len() {
            let side = (bits << depth >> 127) as usize;
            if depth + 1 == network.prefix_len() {
                nodes[node][side] = 16_776_960 + country;
            } else if nodes[node][side] >= 16_776_960 {
                nodes.push([nodes[node][side]; 2]);
                nodes[node][side] = nodes.len() as u32 - 1;
                node = nodes.len() - 1;
            } else {
                node = nodes[node][side] as usize;
            }
        }
    }
    let branches = nodes
        .iter()
        .flatten()
        .flat_map(|branch| branch.to_le_bytes()[..3].to_vec());
    let mut bytes: Vec<u8> = branches.collect();
    bytes.extend_from_slice(b"\0\0\0A description\xff\xff\xff");
    bytes.push(kind);
    bytes
}

fn number(code: &str) -> u32 {
    let codes = names::NAMES.as_bytes().chunks_exact(2);
    codes
        .into_iter()
        .position(|known| known == code.as_bytes())
        .unwrap() as u32
}

fn countries(file: &Countries, addresses: &[&str]) -> Vec<String> {
    let country = |address: &&str| file.country(address.parse().unwrap());
    let text = |country: Option<Country>| {
        country.map_or_else(|| "-".into(), |country| country.to_string())
    };
    addresses.iter().map(country).map(text).collect()
}

#[test]
fn a_file_of_before_has_countries_of_its_kind_of_addresses() {
    let networks = [
        ("100.64.2.0/24", "DE"),
        ("100.66.100.0/24", "CN"),
        ("100.65.113.0/25", "US"),
    ];
    let networks = networks.map(|(network, code)| (network, number(code)));
    for kind in [1, 106] {
        let file = Countries::parse(legacy(&networks, kind)).unwrap();
        assert_eq!(
            countries(
                &file,
                &[
                    "100.64.2.10",
                    "100.66.100.9",
                    "100.65.113.7",
                    "100.65.113.200",
                    "::1",
                    "::ffff:100.64.2.10"
                ]
            ),
            ["DE", "CN", "US", "-", "-", "DE"],
        );
    }
    let file = Countries::parse(legacy(&[("2001:db8::/32", number("EU"))], 12)).unwrap();
    assert_eq!(
        countries(&file, &["2001:db8::7", "2001:db9::7", "192.0.2.1"]),
        ["EU", "-", "-"]
    );
}

#[test]
fn all_countries_have_their_numbers() {
    assert_eq!(names::NAMES.len(), 2 * 256);
    for (code, number_of) in [("AD", 3), ("DE", 56), ("US", 225), ("SS", 254)] {
        assert_eq!(number(code), number_of);
    }
}

#[test]
fn what_has_no_countries_is_refused() {
    let city = legacy(&[("192.0.2.0/24", 1)], 107);
    for (bytes, error) in [
        (
            Vec::new(),
            "no file of countries: neither mmdb nor GeoIP.dat",
        ),
        (
            b"This is a text of some length.".to_vec(),
            "no file of countries: neither mmdb nor GeoIP.dat",
        ),
        (city, "no file of countries: a GeoIP.dat of kind 2"),
    ] {
        assert_eq!(Countries::parse(bytes).unwrap_err().to_string(), error);
    }
    let missing = Countries::open("/no/such/file").unwrap_err();
    assert_eq!(
        missing.to_string(),
        "cannot be read: No such file or directory (os error 2)"
    );
}

#[cfg(feature = "geo")]
#[test]
fn an_mmdb_says_where_an_address_is_or_where_it_is_registered() {
    let file = Countries::parse(mmdb("DE", "US")).unwrap();
    assert_eq!(
        countries(&file, &["1.2.3.4", "200.2.3.4", "2001:db8::1"]),
        ["DE", "US", "-"]
    );
}

#[cfg(feature = "geo")]
#[test]
fn a_damaged_mmdb_is_refused_or_knows_nothing() {
    let bytes = mmdb("DE", "US");
    for end in 0..bytes.len() {
        if let Ok(file) = Countries::parse(bytes[..end].to_vec()) {
            countries(&file, &["1.2.3.4", "200.2.3.4", "2001:db8::1"]);
        }
    }
}
