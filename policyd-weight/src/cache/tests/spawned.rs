//! What processes of spawn(8) write into the file of a daemon, whose rows have numbers that come again.

use std::{fs, path::Path};

use tokio::time::sleep;

use super::*;

async fn open(path: &Path) -> SqliteStore {
    open_file(path).await.unwrap()
}

async fn daemon(path: &Path) -> Cache {
    let cache = Cache::default();
    cache.attach(Backing::File(open(path).await)).await.unwrap();
    cache
}

async fn spawned(path: &Path) -> Cache {
    let cache = Cache::default();
    let store = Box::new(open(path).await);
    cache.attach(Backing::Shared(store)).await.unwrap();
    cache
}

fn client(last: usize) -> Mail {
    mail(&format!("192.0.2.{last}"), "x@acme.test")
}

/// The clients in the memory of a daemon, by the last number of their addresses.
fn known(daemon: &Cache) -> Vec<usize> {
    let entries = daemon.entries().into_iter();
    let number = |entry: String| {
        let key = entry.split([' ', '-']).nth(1).unwrap().to_owned();
        key.rsplit('.').next().unwrap().parse().unwrap()
    };
    entries.map(number).collect()
}

#[tokio::test]
async fn a_daemon_that_was_emptied_learns_what_is_written_next() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache.sqlite");
    let (daemon, spawned) = (daemon(&path).await, spawned(&path).await);
    for last in 1..=5 {
        let a = client(last);
        spawned.learn(&a, &spam(false), &options(), 100).await;
    }
    daemon.exchange().await.unwrap();
    assert_eq!(known(&daemon), [1, 2, 3, 4, 5]);
    assert_eq!(daemon.empty().await.unwrap(), Some(5));
    spawned
        .learn(&client(6), &spam(false), &options(), 101)
        .await;
    daemon.exchange().await.unwrap();
    assert_eq!(known(&daemon), [6]);
}

/// The daemon has taken them out of the file already, and takes out nothing that came after that.
#[tokio::test]
async fn a_client_that_was_forgotten_and_comes_back_at_once_is_known() {
    for forgets_all in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cache.sqlite");
        let (daemon, spawned) = (daemon(&path).await, spawned(&path).await);
        let a = client(1);
        spawned.learn(&a, &spam(false), &options(), 100).await;
        if forgets_all {
            assert_eq!(daemon.empty().await.unwrap(), Some(1));
        } else {
            assert_eq!(daemon.forget("192.0.2.1").await.unwrap(), 1);
        }
        spawned.learn(&a, &spam(false), &options(), 101).await;
        daemon.exchange().await.unwrap();
        assert_eq!(known(&daemon), [1], "{forgets_all}");
        let again = spawned.ask(&a, &options(), false, 102).await;
        assert!(again.is_some(), "{forgets_all}");
    }
}

/// The row that was written last goes, and the next one has its number.
#[tokio::test]
async fn a_daemon_learns_what_takes_the_place_of_an_entry_that_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache.sqlite");
    let (daemon, spawned) = (daemon(&path).await, spawned(&path).await);
    let (a, b) = (client(1), client(2));
    spawned.learn(&b, &spam(false), &options(), 100).await;
    spawned.learn(&a, &spam(false), &options(), 100).await;
    let asked = spawned.ask(&a, &options(), false, 131).await;
    assert!(asked.is_some());
    daemon.exchange().await.unwrap();
    assert_eq!(known(&daemon), [1, 2]);
    assert_eq!(spawned.ask(&a, &options(), false, 162).await, None);
    spawned.learn(&a, &ham(), &options(), 162).await;
    daemon.exchange().await.unwrap();
    assert!(
        daemon
            .entries()
            .iter()
            .any(|entry| entry.starts_with("pass: 192.0.2.1-")),
        "{:?}",
        daemon.entries()
    );
}

/// Both check it from then on.
#[tokio::test]
async fn a_daemon_forgets_a_client_whose_retries_have_ended() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache.sqlite");
    let (before, spawned) = (daemon(&path).await, spawned(&path).await);
    for last in 1..=2 {
        let client = client(last);
        spawned.learn(&client, &spam(false), &options(), 100).await;
    }
    let a = client(1);
    assert!(spawned.ask(&a, &options(), false, 131).await.is_some());
    before.exchange().await.unwrap();
    assert_eq!(known(&before), [1, 2]);
    assert_eq!(spawned.ask(&a, &options(), false, 162).await, None);
    before.exchange().await.unwrap();
    let later = daemon(&path).await;
    for daemon in [&before, &later] {
        assert_eq!(known(daemon), [2]);
    }
    // It may be rejected again.
    spawned.learn(&a, &spam(false), &options(), 163).await;
    for daemon in [&before, &later] {
        daemon.exchange().await.unwrap();
        assert_eq!(known(daemon), [1, 2]);
    }
}

/// The file keeps it for a time.
#[tokio::test]
async fn an_entry_that_has_ended_is_none_that_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let spawned = spawned(&directory.path().join("cache.sqlite")).await;
    let a = client(1);
    for has_ended in [false, true] {
        spawned.learn(&a, &spam(false), &options(), 100).await;
        if has_ended {
            assert!(spawned.ask(&a, &options(), false, 131).await.is_some());
            assert_eq!(spawned.ask(&a, &options(), false, 162).await, None);
        }
        let count = usize::from(!has_ended);
        assert_eq!(spawned.forget("192.0.2.1").await.unwrap(), count);
    }
}

#[tokio::test]
async fn a_daemon_learns_what_is_in_a_file_that_takes_the_place_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let [path, other] = ["cache", "other"].map(|name| directory.path().join(name));
    let mut writer = spawned(&path).await;
    for last in 1..=5 {
        let a = client(last);
        writer.learn(&a, &spam(false), &options(), 100).await;
    }
    writer.close().await;
    let daemon = daemon(&path).await;
    writer = spawned(&other).await;
    writer
        .learn(&client(6), &spam(false), &options(), 100)
        .await;
    writer.close().await;
    fs::rename(&other, &path).unwrap();
    let learns = async {
        while !known(&daemon).contains(&6) {
            sleep(Duration::from_millis(50)).await;
            daemon.exchange().await.unwrap();
        }
    };
    let learnt = tokio::time::timeout(Duration::from_secs(10), learns).await;
    assert!(learnt.is_ok(), "{:?}", known(&daemon));
}
