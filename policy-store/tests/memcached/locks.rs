//! A lock and its value on two memcached, of which one hangs.

use std::time::Duration;

use policy_store::{BreakerState, Lock, Locked, RemoteOptions, Store as _, StoreError};

use crate::{
    states, store,
    suite::{self, LONG},
    support::{Server, faults, memcached},
};

/// A lock's key and a value's: on one of two servers each, by its number. The value has been written.
async fn keys_on(servers: &[Server; 2], [lock, value]: [usize; 2]) -> [String; 2] {
    let both = store(&[&servers[0], &servers[1]], suite::patient());
    let mut keys = Vec::new();
    for (kind, server) in [("lock", lock), ("value", value)] {
        let alone = store(&[&servers[server]], suite::patient());
        for number in 0.. {
            let key = format!("{kind} {number}");
            both.set(key.as_bytes(), b"1", LONG).await.unwrap();
            if alone.get(key.as_bytes()).await.unwrap().is_some() {
                keys.push(key);
                break;
            }
        }
    }
    both.delete(keys[0].as_bytes()).await.unwrap();
    keys.try_into().unwrap()
}

#[tokio::test]
async fn a_server_that_hangs_is_known_as_such_whether_it_has_the_lock_or_the_value() {
    for [lock, value] in [[0, 1], [1, 0]] {
        let servers = [memcached(), memcached()];
        let [lock_key, key] = keys_on(&servers, [lock, value]).await;
        let (lock_key, key) = (lock_key.as_bytes(), key.as_bytes());
        let store = store(&[&servers[0], &servers[1]], RemoteOptions::default());
        let lock = Lock {
            key: lock_key,
            owner: b"me",
            ttl: Duration::from_secs(60),
        };
        servers[1].stop();
        for _ in 0..3 {
            let error = store.lock_and_get(lock, key).await.unwrap_err();
            assert!(matches!(error, StoreError::TimedOut(_)), "{error}");
        }
        assert_eq!(states(&store)[0], BreakerState::Closed);
        assert_ne!(states(&store)[1], BreakerState::Closed);
        for _ in 0..3 {
            let error = store.lock_and_get(lock, key).await.unwrap_err();
            assert!(matches!(error, StoreError::Away(_)), "{error}");
        }
        assert_eq!(states(&store)[0], BreakerState::Closed);

        servers[1].go_on();
        faults::state(&store.breakers()[1], BreakerState::Closed).await;
        // The server may take the lock now, by a command that it was sent while it hung.
        let is_held = async || {
            store.delete(lock_key).await.unwrap();
            let locked = store.lock_and_get(lock, key).await.unwrap();
            locked == Locked::Held(Some((&b"1"[..]).into()))
        };
        assert!(suite::eventually(is_held).await);
        assert!(store.set_and_unlock(lock, key, b"2", LONG).await.unwrap());
    }
}

#[tokio::test]
async fn a_lock_is_given_back_though_the_server_of_its_value_hangs() {
    let servers = [memcached(), memcached()];
    let [lock_key, key] = keys_on(&servers, [0, 1]).await;
    let (lock_key, key) = (lock_key.as_bytes(), key.as_bytes());
    let store = store(&[&servers[0], &servers[1]], RemoteOptions::default());
    let lock = Lock {
        key: lock_key,
        owner: b"me",
        ttl: Duration::from_secs(60),
    };
    let is_free = async || store.get(lock_key).await.unwrap().is_none();
    let locked = store.lock_and_get(lock, key).await.unwrap();
    assert!(matches!(locked, Locked::Held(Some(_))), "{locked:?}");
    servers[1].stop();
    let error = store.set_and_unlock(lock, key, b"2", LONG).await;
    assert!(matches!(error, Err(StoreError::TimedOut(_))), "{error:?}");
    assert!(is_free().await);
    let error = store.lock_and_get(lock, key).await;
    assert!(matches!(error, Err(StoreError::TimedOut(_))), "{error:?}");
    assert!(is_free().await);
    // The server with the value is to blame, whatever was done.
    assert!(store.set_if_absent(lock_key, b"me", LONG).await.unwrap());
    let error = store.set_and_unlock(lock, key, b"2", LONG).await;
    assert!(matches!(error, Err(StoreError::TimedOut(_))), "{error:?}");
    assert_eq!(states(&store)[0], BreakerState::Closed);
    assert_ne!(states(&store)[1], BreakerState::Closed);
    assert!(is_free().await);
}

#[tokio::test]
async fn a_lock_that_another_has_is_not_given_back_where_the_value_cannot_be_written() {
    let servers = [memcached(), memcached()];
    let [lock_key, key] = keys_on(&servers, [0, 1]).await;
    let (lock_key, key) = (lock_key.as_bytes(), key.as_bytes());
    let store = store(&[&servers[0], &servers[1]], RemoteOptions::default());
    let ttl = Duration::from_secs(60);
    let [me, other] = [&b"me"[..], b"other"].map(|owner| Lock {
        key: lock_key,
        owner,
        ttl,
    });
    store.lock_and_get(other, key).await.unwrap();
    servers[1].stop();
    assert_eq!(store.lock_and_get(me, key).await.unwrap(), Locked::Busy);
    assert!(!store.set_and_unlock(me, key, b"2", LONG).await.unwrap());
    let owner = store.get(lock_key).await.unwrap();
    assert_eq!(owner.as_deref(), Some(&b"other"[..]));
    assert_eq!(states(&store), [BreakerState::Closed; 2]);
}
