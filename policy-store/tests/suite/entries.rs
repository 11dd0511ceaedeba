//! Values, their keys and their ends.

use std::time::Duration;

use bytes::Bytes;
use policy_store::{Event, Lock, Locked, MAX_KEY_LEN, MAX_VALUE_LEN, Mark, StoreError, Windows};

use super::{LONG, SHORT, Tested, eventually};

pub async fn a_value_is_got_as_it_was_set(store: Tested) {
    let all: Vec<u8> = (0..=255).collect();
    for value in [
        &b""[..],
        b"1",
        b"END\r\n",
        b"VALUE k 0 1\r\nx\r\nEND\r\n",
        &all,
        &[0; 70_000],
    ] {
        store.set(b"value", value, LONG).await.unwrap();
        assert_eq!(store.get(b"value").await.unwrap().as_deref(), Some(value));
        store.set(b"value", value, None).await.unwrap();
        assert_eq!(store.get(b"value").await.unwrap().as_deref(), Some(value));
    }
    assert_eq!(store.get(b"another value").await.unwrap(), None);
}

pub async fn a_key_is_any_bytes(store: Tested) {
    let all: Vec<u8> = (0..=255).collect();
    let long = vec![b'k'; MAX_KEY_LEN];
    let almost = vec![b'k'; MAX_KEY_LEN - 1];
    let longer = vec![b'k'; MAX_KEY_LEN + 1];
    let longest = vec![b'k'; 50_000];
    let keys = [
        &b""[..],
        b" ",
        b"k ",
        b"k",
        b"\r\n",
        b"\0",
        b"\xff",
        b"k\0",
        b"K",
        &all,
        &long,
        &almost,
        &longer,
        &longest,
    ];
    for (number, key) in keys.iter().enumerate() {
        store
            .set(key, number.to_string().as_bytes(), LONG)
            .await
            .unwrap();
    }
    for (number, key) in keys.iter().enumerate() {
        let value = store.get(key).await.unwrap();
        assert_eq!(
            value.as_deref(),
            Some(number.to_string().as_bytes()),
            "{key:?}"
        );
    }
}

/// What a client chooses is never the fault of the store.
pub async fn no_call_fails_for_a_long_key(store: Tested) {
    // A cluster has both on one server.
    let long = |begin: &str| [begin.as_bytes(), b"{", &[b'l'; 5000], b"}"].concat();
    let (key, name) = (long(""), long("lock_"));
    let windows: Windows = "2/1m".parse().unwrap();
    store.set(&key, b"1", LONG).await.unwrap();
    assert!(!store.set_if_absent(&key, b"2", LONG).await.unwrap());
    assert!(store.compare_and_set(&key, b"1", b"2", LONG).await.unwrap());
    assert_eq!(store.add(&key, 1, LONG).await.unwrap(), 3);
    let lock = Lock {
        key: &name,
        owner: b"me",
        ttl: Duration::from_secs(60),
    };
    let held = store.lock_and_get(lock, &key).await.unwrap();
    assert_eq!(held, Locked::Held(Some(Bytes::from_static(b"3"))));
    let other = store.lock_and_get(lock, &key).await.unwrap();
    assert_eq!(other, Locked::Busy);
    assert!(store.set_and_unlock(lock, &key, b"4", LONG).await.unwrap());
    assert!(store.compare_and_delete(&key, b"4").await.unwrap());
    assert!(!store.delete(&key).await.unwrap());
    let mark = Mark {
        key: &name,
        ttl: Duration::from_secs(60),
    };
    for used in [Some(1), None] {
        let counted = store.count_once(mark, &key, &windows, Event::Amount(1));
        let counted = counted.await.unwrap();
        assert_eq!(counted.map(|usage| usage.windows[0].used), used);
    }
    let usage = store.count(&key, &windows, Event::Amount(1)).await.unwrap();
    assert_eq!(usage.windows[0].used, 2);
    assert_eq!(
        store.usage(&key, &windows).await.unwrap().windows[0].used,
        2
    );
    assert!(store.reset(&key).await.unwrap());
}

pub async fn a_key_is_no_command(store: Tested) {
    store.set(b"victim", b"1", LONG).await.unwrap();
    for key in [
        &b"k\r\ndelete victim"[..],
        b"k 0 0 1\r\nx\r\nset victim",
        b"k victim",
        b"'; DROP TABLE policy_store; --",
    ] {
        store.get(key).await.unwrap();
        store.set(key, b"2", LONG).await.unwrap();
        assert_eq!(store.get(key).await.unwrap().as_deref(), Some(&b"2"[..]));
        assert!(store.delete(key).await.unwrap());
        assert_eq!(
            store.get(b"victim").await.unwrap().as_deref(),
            Some(&b"1"[..]),
            "{key:?}"
        );
    }
}

pub async fn what_is_too_large_is_refused(store: Tested) {
    store
        .set(b"large", &vec![1; MAX_VALUE_LEN], LONG)
        .await
        .unwrap();
    let result = store.set(b"large", &vec![2; MAX_VALUE_LEN + 1], LONG).await;
    assert!(
        matches!(
            result,
            Err(StoreError::TooLarge {
                limit: MAX_VALUE_LEN,
                ..
            })
        ),
        "{result:?}"
    );
    assert_eq!(
        store.get(b"large").await.unwrap().map(|value| value.len()),
        Some(MAX_VALUE_LEN)
    );
}

pub async fn a_value_ends_at_its_time(store: Tested) {
    // Its time may be over before it is asked for, on a machine that stands still: then it is set again.
    let is_there = eventually(async || {
        store.set(b"short", b"1", SHORT).await.unwrap();
        store.get(b"short").await.unwrap().is_some()
    });
    assert!(is_there.await);
    store.set(b"long", b"1", LONG).await.unwrap();
    store.set(b"good", b"1", None).await.unwrap();
    assert!(eventually(async || { store.get(b"short").await.unwrap().is_none() }).await);
    assert!(!store.delete(b"short").await.unwrap());
    assert!(store.get(b"long").await.unwrap().is_some());
    assert!(store.get(b"good").await.unwrap().is_some());
}

pub async fn a_new_value_has_a_new_time(store: Tested) {
    store.set(b"stays", b"1", SHORT).await.unwrap();
    store.set(b"stays", b"2", LONG).await.unwrap();
    store.set(b"ends", b"1", LONG).await.unwrap();
    assert!(
        store
            .compare_and_set(b"ends", b"1", b"2", SHORT)
            .await
            .unwrap()
    );
    assert!(eventually(async || { store.get(b"ends").await.unwrap().is_none() }).await);
    assert_eq!(
        store.get(b"stays").await.unwrap().as_deref(),
        Some(&b"2"[..])
    );
}

pub async fn a_deleted_value_is_gone(store: Tested) {
    assert!(!store.delete(b"deleted").await.unwrap());
    store.set(b"deleted", b"1", LONG).await.unwrap();
    assert!(store.delete(b"deleted").await.unwrap());
    assert_eq!(store.get(b"deleted").await.unwrap(), None);
    assert!(!store.delete(b"deleted").await.unwrap());
}

pub async fn only_an_absent_value_is_set(store: Tested) {
    assert!(store.set_if_absent(b"absent", b"1", LONG).await.unwrap());
    assert!(!store.set_if_absent(b"absent", b"2", LONG).await.unwrap());
    // Also when nothing would change.
    assert!(!store.set_if_absent(b"absent", b"1", LONG).await.unwrap());
    assert_eq!(
        store.get(b"absent").await.unwrap().as_deref(),
        Some(&b"1"[..])
    );
}

pub async fn a_value_whose_time_is_over_is_absent(store: Tested) {
    store.set(b"over", b"1", SHORT).await.unwrap();
    assert!(
        eventually(async || { store.set_if_absent(b"over", b"1", SHORT).await.unwrap() }).await
    );
    assert!(eventually(async || { store.add(b"over", 1, LONG).await.unwrap() == 1 }).await);
}
