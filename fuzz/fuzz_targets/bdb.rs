//! Berkeley DB's hash files: whatever a file holds, what is read of it is no more than it has, and is found again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_store::{Map, MapKind};

fuzz_target!(|bytes: &[u8]| {
    let Ok(map) = Map::parse(MapKind::Hash, bytes) else {
        return;
    };
    // Each entry has a byte for its kind, and a place of two.
    assert!(map.len() * 6 <= bytes.len());
    for key in bytes.windows(3).step_by(5) {
        if let Some(value) = map.get(key) {
            assert!(value.len() <= bytes.len());
        }
    }
    assert!(
        map.get(&[0xff; 70_000])
            .is_none_or(|value| value.len() <= bytes.len())
    );
});
