//! Constant databases: what is read = a naive reader of the records; and Postfix's texts, which are read by line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_store::{Map, MapKind};

fuzz_target!(|bytes: &[u8]| {
    for kind in [MapKind::Texthash, MapKind::Cidr] {
        if let Ok(map) = Map::parse(kind, bytes) {
            assert!(map.len() <= bytes.len());
            map.get(b"192.0.2.1");
        }
    }
    // A file begins with 2,048 bytes of places. They are made here: what is fuzzed are the records.
    let (header, records) = bytes.split_at(bytes.len().min(4));
    let end = 2048 + records.len() as u32;
    let mut file = end.to_le_bytes().repeat(512);
    file.extend_from_slice(records);
    if let [first, second, third, 1] = header {
        file[..3].copy_from_slice(&[*first, *second, *third]);
        let _ = Map::parse(MapKind::Cdb, &file);
        return;
    }
    match (Map::parse(MapKind::Cdb, &file), naive(records)) {
        (Ok(map), Some(pairs)) => {
            for (key, value) in &pairs {
                let first = pairs
                    .iter()
                    .find(|(other, _)| other == key)
                    .map(|(_, value)| value);
                assert_eq!(
                    map.get(key).as_deref(),
                    first.map(Vec::as_slice),
                    "{key:?} {value:?}"
                );
            }
        }
        (Err(_), None) => {}
        (map, pairs) => panic!("{map:?} {pairs:?}"),
    }
});

fn naive(mut records: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut pairs = Vec::new();
    while !records.is_empty() {
        let length = |at: usize| {
            let bytes = records.get(at..at + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
        };
        let (key, data) = (length(0)?, length(4)?);
        let key_end = 8_usize.checked_add(key)?;
        let data_end = key_end.checked_add(data)?;
        let trim = |bytes: &[u8]| bytes.strip_suffix(b"\0").unwrap_or(bytes).to_vec();
        pairs.push((
            trim(records.get(8..key_end)?),
            trim(records.get(key_end..data_end)?),
        ));
        records = &records[data_end..];
    }
    Some(pairs)
}
