//! Bounds, age and the end of entries.

use super::*;

fn store(max_entries: usize, max_bytes: usize) -> MemoryStore {
    MemoryStore::new(MemoryOptions {
        max_entries,
        max_bytes,
    })
}

async fn keys(store: &MemoryStore) -> Vec<String> {
    let entries = store.entries(b"", usize::MAX);
    entries
        .iter()
        .map(|(key, _)| String::from_utf8_lossy(key).into_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_entry_that_was_written_longest_ago_leaves_first() {
    let store = store(3, usize::MAX);
    for key in ["a", "b", "c"] {
        store.set(key.as_bytes(), b"", None).await.unwrap();
    }
    // Reading does not count, writing does.
    store.get(b"b").await.unwrap();
    store.set(b"a", b"", None).await.unwrap();
    store.set(b"d", b"", None).await.unwrap();
    assert_eq!(keys(&store).await, ["c", "a", "d"]);
}

#[tokio::test(start_paused = true)]
async fn an_entry_whose_time_is_over_leaves_before_older_ones() {
    let store = store(3, usize::MAX);
    store.set(b"a", b"", None).await.unwrap();
    store
        .set(b"b", b"", Some(Duration::from_secs(1)))
        .await
        .unwrap();
    store.set(b"c", b"", None).await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    store.set(b"d", b"", None).await.unwrap();
    assert_eq!(keys(&store).await, ["a", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn bytes_are_bounded_too() {
    let store = store(usize::MAX, 10_000);
    for number in 0..1000_u32 {
        store
            .set(&number.to_be_bytes(), &[0; 796], None)
            .await
            .unwrap();
    }
    assert_eq!(store.len(), 10);
    store.set(b"large", &[0; 9_700], None).await.unwrap();
    assert_eq!(keys(&store).await, ["large"]);
}

#[tokio::test(start_paused = true)]
async fn entries_whose_time_is_over_do_not_pile_up() {
    let store = store(usize::MAX, usize::MAX);
    for number in 0..10_000_u32 {
        store
            .set(&number.to_be_bytes(), b"", Some(Duration::from_millis(50)))
            .await
            .unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    assert!(store.len() <= 51, "{}", store.len());
}

#[tokio::test(start_paused = true)]
async fn a_time_too_long_for_the_clock_is_for_good() {
    let store = store(10, usize::MAX);
    store.set(b"a", b"1", Some(Duration::MAX)).await.unwrap();
    assert!(store.get(b"a").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn windows_slide_with_the_paused_clock() {
    let store = store(10, usize::MAX);
    let windows = "1/1m".parse().unwrap();
    let event = Event::Amount(1);
    assert!(store.count(b"a", &windows, event).await.unwrap().allowed);
    tokio::time::advance(Duration::from_secs(60)).await;
    // At most a sixtieth longer.
    assert!(!store.count(b"a", &windows, event).await.unwrap().allowed);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(store.count(b"a", &windows, event).await.unwrap().allowed);
}

#[tokio::test(start_paused = true)]
async fn what_is_larger_than_the_store_is_refused_and_moves_nothing() {
    let store = store(usize::MAX, 1000);
    store.set(b"a", b"1", None).await.unwrap();
    let error = store.set(b"b", &[0; 1000], None).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
    let error = store.set_if_absent(b"b", &[0; 1000], None).await;
    assert!(matches!(error, Err(StoreError::TooLarge { .. })));
    let error = store.compare_and_set(b"a", b"1", &[0; 1000], None).await;
    assert!(matches!(error, Err(StoreError::TooLarge { .. })));
    assert_eq!(keys(&store).await, ["a"]);
}
