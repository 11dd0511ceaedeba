//! Entries that are read as they come, from one point to the next.

use std::collections::BTreeMap;

use policy_store::SqlitePoint;

use super::*;

type Entries = Vec<(Bytes, Bytes)>;

/// What was written after a point, which moves on.
async fn look(store: &SqliteStore, prefix: &[u8], point: &mut SqlitePoint) -> Entries {
    let entries;
    (entries, *point) = store.entries_after(prefix, point, 1000).await.unwrap();
    entries
}

#[tokio::test]
async fn entries_after_a_point_are_those_that_were_written_since() {
    let directory = tempfile::tempdir().unwrap();
    let (store, other) = (store(directory.path()).await, store(directory.path()).await);
    let mut point = SqlitePoint::default();
    assert_eq!(look(&store, b"", &mut point).await, []);
    for key in [&b"a"[..], b"b"] {
        other.set(key, b"1", LONG).await.unwrap();
    }
    let mut of_b = point.clone();
    assert_eq!(look(&store, b"", &mut point).await.len(), 2);
    assert_eq!(look(&store, b"b", &mut of_b).await.len(), 1);
    assert_eq!(look(&store, b"", &mut point).await, []);
    let is_changed = other.compare_and_set(b"a", b"1", b"2", LONG).await;
    assert!(is_changed.unwrap());
    let changed = [(Bytes::from("a"), Bytes::from("2"))];
    assert_eq!(look(&store, b"", &mut point).await, changed);
    assert_eq!(look(&store, b"b", &mut of_b).await, []);
}

/// What is beyond the most that is asked for comes the next time.
#[tokio::test]
async fn entries_after_a_point_come_in_parts() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    for number in 0..50_u8 {
        store.set(&[number], b"", LONG).await.unwrap();
    }
    let (mut point, mut keys) = (SqlitePoint::default(), vec![]);
    for most in [0, 20, 20, 20, 20] {
        let entries;
        (entries, point) = store.entries_after(b"", &point, most).await.unwrap();
        keys.extend(entries.iter().map(|(key, _)| key[0]));
    }
    assert_eq!(keys, Vec::from_iter(0..50));
}

/// Numbers of rows come again, whatever has been deleted, by whom and when.
#[tokio::test]
async fn no_entry_is_missed_whatever_is_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let (store, other) = (store(directory.path()).await, store(directory.path()).await);
    let (mut point, mut known) = (SqlitePoint::default(), BTreeMap::new());
    let mut state = 1_u64;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for step in 0..3000_u32 {
        let key = [u8::try_from(random(12)).unwrap()];
        match random(100) {
            0..50 => other.set(&key, &step.to_be_bytes(), LONG).await.unwrap(),
            50..75 => _ = other.delete(&key).await.unwrap(),
            75 => other.clear(b"").await.unwrap(),
            _ => {
                known.extend(look(&store, b"", &mut point).await);
                for (key, value) in store.entries(b"", 1000).await.unwrap() {
                    assert_eq!(known.get(&key), Some(&value), "step {step}, {key:?}");
                }
            }
        }
    }
}

/// Where the rows that were written last are written again each time, not all others are read with them.
#[tokio::test]
async fn what_is_written_again_and_again_is_read_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let set = async |number: u32| {
        let key = number.to_be_bytes();
        store.set(&key, b"", LONG).await.unwrap();
    };
    for number in 0..1000 {
        set(number).await;
    }
    let mut point = SqlitePoint::default();
    assert_eq!(look(&store, b"", &mut point).await.len(), 1000);
    let mut counts = vec![];
    for _ in 0..20 {
        for number in 960..1000 {
            set(number).await;
        }
        counts.push(look(&store, b"", &mut point).await.len());
    }
    // Each time the point comes closer to them.
    assert!(counts[0] < 150 && counts[19] < 50, "{counts:?}");
}
