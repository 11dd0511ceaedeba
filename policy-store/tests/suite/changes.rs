//! Changes that depend on what there is, also by many callers at once.

use std::{collections::BTreeSet, time::Duration};

use policy_store::{Lock, Locked, StoreError};
use tokio::task::JoinSet;

use super::{LONG, SHORT, Tested, eventually};

pub async fn only_the_expected_value_is_replaced(store: Tested) {
    assert!(
        !store
            .compare_and_set(b"replaced", b"", b"1", LONG)
            .await
            .unwrap()
    );
    store.set(b"replaced", b"1", LONG).await.unwrap();
    assert!(
        !store
            .compare_and_set(b"replaced", b"2", b"3", LONG)
            .await
            .unwrap()
    );
    assert!(
        !store
            .compare_and_set(b"replaced", b"1 ", b"3", LONG)
            .await
            .unwrap()
    );
    assert_eq!(
        store.get(b"replaced").await.unwrap().as_deref(),
        Some(&b"1"[..])
    );
    assert!(
        store
            .compare_and_set(b"replaced", b"1", b"\0\xff", LONG)
            .await
            .unwrap()
    );
    // Also when nothing changes.
    assert!(
        store
            .compare_and_set(b"replaced", b"\0\xff", b"\0\xff", LONG)
            .await
            .unwrap()
    );
    assert_eq!(
        store.get(b"replaced").await.unwrap().as_deref(),
        Some(&b"\0\xff"[..])
    );
}

pub async fn only_the_expected_value_is_deleted(store: Tested) {
    assert!(!store.compare_and_delete(b"compared", b"").await.unwrap());
    store.set(b"compared", b"1", LONG).await.unwrap();
    assert!(!store.compare_and_delete(b"compared", b"2").await.unwrap());
    assert!(store.get(b"compared").await.unwrap().is_some());
    assert!(store.compare_and_delete(b"compared", b"1").await.unwrap());
    assert_eq!(store.get(b"compared").await.unwrap(), None);
}

pub async fn numbers_add_up(store: Tested) {
    assert_eq!(store.add(b"sum", 0, LONG).await.unwrap(), 0);
    assert_eq!(store.add(b"sum", 5, LONG).await.unwrap(), 5);
    assert_eq!(
        store.add(b"sum", 1 << 40, LONG).await.unwrap(),
        (1 << 40) + 5
    );
    assert_eq!(
        store.get(b"sum").await.unwrap().as_deref(),
        Some(&b"1099511627781"[..])
    );
    store.set(b"sum", b"41", LONG).await.unwrap();
    assert_eq!(store.add(b"sum", 1, LONG).await.unwrap(), 42);
}

pub async fn a_sum_keeps_the_time_of_its_beginning(store: Tested) {
    store.add(b"sum stays", 1, LONG).await.unwrap();
    // The time of the first may be over before the second comes, on a machine that stands still: then both come again.
    let is_sum = eventually(async || {
        store.delete(b"sum ends").await.unwrap();
        store.add(b"sum ends", 1, SHORT).await.unwrap();
        store.add(b"sum ends", 1, LONG).await.unwrap() == 2
    });
    assert!(is_sum.await);
    store.add(b"sum stays", 1, SHORT).await.unwrap();
    assert!(eventually(async || { store.get(b"sum ends").await.unwrap().is_none() }).await);
    assert_eq!(store.add(b"sum stays", 1, LONG).await.unwrap(), 3);
}

pub async fn what_is_no_number_is_not_added_to(store: Tested) {
    for value in [&b"one"[..], b"-1", b"1.5", b"99999999999999999999"] {
        store.set(b"no number", value, LONG).await.unwrap();
        let result = store.add(b"no number", 1, LONG).await;
        assert!(
            matches!(result, Err(StoreError::NotANumber)),
            "{value:?}: {result:?}"
        );
        assert_eq!(
            store.get(b"no number").await.unwrap().as_deref(),
            Some(value)
        );
    }
}

pub async fn a_sum_that_is_too_large_is_refused(store: Tested) {
    let most = i64::MAX as u64;
    assert_eq!(store.add(b"most", most, LONG).await.unwrap(), most);
    for delta in [1, most, u64::MAX] {
        let result = store.add(b"most", delta, LONG).await;
        assert!(
            matches!(result, Err(StoreError::Overflow)),
            "{delta}: {result:?}"
        );
        assert_eq!(store.add(b"most", 0, LONG).await.unwrap(), most);
    }
}

pub async fn many_callers_lose_no_count(store: Tested) {
    let mut callers = JoinSet::new();
    for _ in 0..10 {
        let store = store.clone();
        callers.spawn(async move {
            let mut sums = Vec::new();
            for _ in 0..10 {
                sums.push(store.add(b"counted", 1, LONG).await.unwrap());
            }
            sums
        });
    }
    let sums: BTreeSet<_> = callers.join_all().await.into_iter().flatten().collect();
    assert_eq!(sums, (1..=100).collect());
}

pub async fn one_of_many_callers_replaces_a_value(store: Tested) {
    store.set(b"contended", b"old", LONG).await.unwrap();
    let mut callers = JoinSet::new();
    for number in 0..10 {
        let store = store.clone();
        callers.spawn(async move {
            let new = format!("new {number}");
            store
                .compare_and_set(b"contended", b"old", new.as_bytes(), LONG)
                .await
                .unwrap()
        });
    }
    let done = callers.join_all().await;
    assert_eq!(done.iter().filter(|done| **done).count(), 1);
}

pub async fn a_lock_is_held_by_one(store: Tested) {
    let lock = |owner| Lock {
        key: b"lock_{session}",
        owner,
        ttl: Duration::from_secs(10),
    };
    let (first, second) = (lock(b"first"), lock(b"second"));
    let key = b"{session}";
    assert_eq!(
        store.lock_and_get(first, key).await.unwrap(),
        Locked::Held(None)
    );
    assert_eq!(store.lock_and_get(second, key).await.unwrap(), Locked::Busy);
    assert!(!store.set_and_unlock(second, key, b"2", LONG).await.unwrap());
    assert!(store.set_and_unlock(first, key, b"1", LONG).await.unwrap());
    assert_eq!(
        store.lock_and_get(second, key).await.unwrap(),
        Locked::Held(Some("1".into()))
    );
    assert!(store.set_and_unlock(second, key, b"2", LONG).await.unwrap());
    assert!(!store.set_and_unlock(second, key, b"3", LONG).await.unwrap());
    assert_eq!(store.get(key).await.unwrap().as_deref(), Some(&b"2"[..]));
}

pub async fn a_lock_whose_time_is_over_is_lost(store: Tested) {
    let lock = |owner| Lock {
        key: b"lock_{late}",
        owner,
        ttl: Duration::from_millis(300),
    };
    let key = b"{late}";
    assert_eq!(
        store.lock_and_get(lock(b"first"), key).await.unwrap(),
        Locked::Held(None)
    );
    let second = Lock {
        ttl: Duration::from_secs(10),
        ..lock(b"second")
    };
    let is_held = async || store.lock_and_get(second, key).await.unwrap() != Locked::Busy;
    assert!(eventually(is_held).await);
    assert!(
        !store
            .set_and_unlock(lock(b"first"), key, b"1", LONG)
            .await
            .unwrap()
    );
    assert!(store.set_and_unlock(second, key, b"2", LONG).await.unwrap());
    assert_eq!(store.get(key).await.unwrap().as_deref(), Some(&b"2"[..]));
}

pub async fn who_has_the_lock_writes_whatever_was_written_without_it(store: Tested) {
    let key = b"{shared}";
    let lock = Lock {
        key: b"lock_{shared}",
        owner: b"me",
        ttl: Duration::from_secs(10),
    };
    for before in [None, Some(&b"before"[..])] {
        for meanwhile in [None, Some(&b"meanwhile"[..])] {
            match before {
                Some(value) => store.set(key, value, LONG).await.unwrap(),
                None => drop(store.delete(key).await.unwrap()),
            }
            let locked = store.lock_and_get(lock, key).await.unwrap();
            assert_eq!(locked, Locked::Held(before.map(Into::into)));
            match meanwhile {
                Some(value) => store.set(key, value, LONG).await.unwrap(),
                None => drop(store.delete(key).await.unwrap()),
            }
            assert!(
                store
                    .set_and_unlock(lock, key, b"mine", LONG)
                    .await
                    .unwrap()
            );
            assert_eq!(store.get(key).await.unwrap().as_deref(), Some(&b"mine"[..]));
            assert_eq!(store.get(lock.key).await.unwrap(), None);
        }
    }
}

pub async fn answers_are_those_of_their_questions(store: Tested) {
    let mut callers = JoinSet::new();
    for caller in 0..16 {
        let store = store.clone();
        callers.spawn(async move {
            for number in 0..40 {
                let key = format!("question {caller} {}", number % 7);
                let value = format!("answer {caller} {number}").repeat(1 + number * caller);
                store
                    .set(key.as_bytes(), value.as_bytes(), LONG)
                    .await
                    .unwrap();
                let got = store.get(key.as_bytes()).await.unwrap();
                assert_eq!(got.as_deref(), Some(value.as_bytes()));
            }
        });
    }
    callers.join_all().await;
}

pub async fn an_answer_that_nobody_waits_for_reaches_nobody(store: Tested) {
    for number in 0..50_u64 {
        let key = format!("given up {number}");
        store
            .set(key.as_bytes(), key.as_bytes(), LONG)
            .await
            .unwrap();
    }
    for number in 0..50_u64 {
        let key = format!("given up {number}");
        // It may have been sent, and is dropped with or without an answer on its way.
        let ask = store.get(key.as_bytes());
        let given_up = tokio::time::timeout(Duration::from_micros(number * 10), ask).await;
        if let Ok(answer) = given_up {
            assert_eq!(answer.unwrap().as_deref(), Some(key.as_bytes()));
        }
        let next = format!("given up {}", (number + 7) % 50);
        let answer = store.get(next.as_bytes()).await.unwrap();
        assert_eq!(answer.as_deref(), Some(next.as_bytes()));
    }
}
