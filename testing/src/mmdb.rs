//! MaxMind's file of countries, made for a test.

/// A `.mmdb` of version 2 in which addresses that begin with a zero bit are in one country, and the others are registered in
/// another one.
pub fn mmdb(country: &str, registered: &str) -> Vec<u8> {
    let text = |text: &str| [&[0x40 | text.len() as u8], text.as_bytes()].concat();
    let map = |pairs: &[(&str, Vec<u8>)]| {
        let mut out = vec![0xe0 | pairs.len() as u8];
        for (key, value) in pairs {
            out.extend(text(key));
            out.extend(value);
        }
        out
    };
    let place = |record, code| map(&[(record, map(&[("iso_code", text(code))]))]);
    let (first, second) = (
        place("country", country),
        place("registered_country", registered),
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
