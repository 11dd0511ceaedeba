//! The caches over time, in memory, in a file and in a store.

mod file;
mod spawned;

use policy_store::{Sql, Sqlite, SqliteOptions};

use super::*;
use crate::{mail::Attributes, text::bytes};

fn mail(address: &str, sender: &str) -> Mail {
    Mail::new(&Attributes {
        client_address: address.as_bytes(),
        sender: &bytes(sender),
        ..Attributes::default()
    })
}

fn options() -> CacheOptions {
    CacheOptions {
        spam_size: 2,
        spam_max_size: 3,
        reject_message: "550 no".into(),
        retries: 1,
        retry_seconds: 30,
        ham_size: 10,
        ham_max_size: 20,
        ham_message: String::new(),
        hard_uses: 1,
        hard_seconds: 100,
        soft_seconds: 10,
    }
}

fn spam(by_sender: bool) -> Cached {
    Cached::Spam {
        by_sender,
        rate: "3".into(),
        reason: "IN_A=3".into(),
    }
}

fn ham() -> Cached {
    Cached::Ham {
        rate: "-6.1".into(),
    }
}

async fn all_backings() -> Vec<(tempfile::TempDir, Cache)> {
    let mut all = vec![];
    for kind in 0..3 {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::default();
        let file = open_file(&directory.path().join("cache.sqlite"))
            .await
            .unwrap();
        match kind {
            0 => {}
            1 => cache.attach(Backing::File(file)).await.unwrap(),
            _ => cache.attach(Backing::Shared(Box::new(file))).await.unwrap(),
        }
        all.push((directory, cache));
    }
    all
}

#[tokio::test]
async fn clients_are_known_by_address_or_with_their_sender() {
    let text = |seconds| {
        Some(Known::Spam(format!(
            "550 no - retrying too fast. penalty: 30 seconds x {seconds} retries. Reason: IN_A=3"
        )))
    };
    for (_directory, cache) in all_backings().await {
        let (a, b) = (
            mail("192.0.2.1", "x@acme.test"),
            mail("192.0.2.1", "y@acme.test"),
        );
        assert_eq!(cache.ask(&a, &options(), false, 0).await, None);
        cache.learn(&a, &spam(true), &options(), 0).await;
        assert_eq!(cache.ask(&a, &options(), false, 1).await, text(1));
        assert_eq!(cache.ask(&b, &options(), false, 1).await, None);
        cache.learn(&a, &spam(false), &options(), 1).await;
        assert_eq!(cache.ask(&b, &options(), false, 32).await, text(0));
        // Both entries end, the second one for `a` alone.
        assert_eq!(cache.ask(&b, &options(), false, 63).await, None);
        assert_eq!(cache.ask(&a, &options(), false, 64).await, text(0));
    }
}

#[tokio::test]
async fn accepted_clients_are_known_with_their_domain() {
    for (_directory, cache) in all_backings().await {
        let (a, b) = (
            mail("192.0.2.1", "x@acme.test"),
            mail("192.0.2.1", "x@shop.test"),
        );
        cache.learn(&a, &ham(), &options(), 0).await;
        assert_eq!(
            cache.ask(&a, &options(), false, 5).await,
            Some(Known::Soft("-6.1".into()))
        );
        assert_eq!(
            cache.ask(&a, &options(), false, 11).await,
            Some(Known::Hard("-6.1".into()))
        );
        assert_eq!(
            cache.ask(&a, &options(), false, 12).await,
            Some(Known::Soft("-6.1".into()))
        );
        assert_eq!(cache.ask(&b, &options(), false, 12).await, None);
    }
}

#[tokio::test]
async fn a_file_outlives_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache.sqlite");
    let a = mail("192.0.2.1", "x@acme.test");
    let first = Cache::default();
    first
        .attach(Backing::File(open_file(&path).await.unwrap()))
        .await
        .unwrap();
    first.learn(&a, &spam(false), &options(), 100).await;
    first.learn(&a, &ham(), &options(), 100).await;
    first.flush().await.unwrap();
    let entries = first.entries();
    assert_eq!(
        entries,
        [
            "blocked: 192.0.2.1 3 1 100",
            "pass: 192.0.2.1-acme.test -6.1 1 100 100 100"
        ]
    );
    let second = Cache::default();
    second
        .attach(Backing::File(open_file(&path).await.unwrap()))
        .await
        .unwrap();
    assert_eq!(second.entries(), entries);
    assert_eq!(second.empty().await.unwrap(), Some(2));
    let third = Cache::default();
    third
        .attach(Backing::File(open_file(&path).await.unwrap()))
        .await
        .unwrap();
    assert_eq!(third.entries(), Vec::<String>::new());
}

/// What cannot be written for a time is written after it.
#[tokio::test]
async fn what_cannot_be_written_is_written_later() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache.sqlite");
    let cache = Cache::default();
    let file = open_file(&path).await.unwrap();
    cache.attach(Backing::File(file)).await.unwrap();
    let other = Sqlite::open(SqliteOptions::new(&path)).await.unwrap();
    other.execute("DROP TABLE policy_store", &[]).await.unwrap();
    let a = mail("192.0.2.1", "x@acme.test");
    cache.learn(&a, &spam(false), &options(), 100).await;
    cache.learn(&a, &ham(), &options(), 100).await;
    for _ in 0..2 {
        let error = cache.flush().await.unwrap_err();
        assert!(error.to_string().contains("no such table"));
    }
    // It makes the table again.
    let again = open_file(&path).await.unwrap();
    cache.flush().await.unwrap();
    let second = Cache::default();
    second.attach(Backing::File(again)).await.unwrap();
    assert_eq!(second.entries(), cache.entries());
    assert_eq!(second.entries().len(), 2);
}

/// A daemon and processes of spawn(8) have the same entries in a file.
#[tokio::test]
async fn a_file_is_the_same_for_all_processes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache.sqlite");
    let (spawned, daemon) = (Cache::default(), Cache::default());
    let file = open_file(&path).await.unwrap();
    spawned
        .attach(Backing::Shared(Box::new(file)))
        .await
        .unwrap();
    let file = open_file(&path).await.unwrap();
    daemon.attach(Backing::File(file)).await.unwrap();
    let (a, b) = (
        mail("192.0.2.1", "\u{fc}@acme.test"),
        mail("192.0.2.2", "x@acme.test"),
    );
    spawned.learn(&a, &spam(true), &options(), 100).await;
    daemon.exchange().await.unwrap();
    assert_eq!(
        daemon.entries(),
        ["blocked: 192.0.2.1-\u{fc}@acme.test 3 1 100"]
    );
    daemon.learn(&b, &ham(), &options(), 100).await;
    daemon.exchange().await.unwrap();
    let known = spawned.ask(&b, &options(), false, 101).await;
    assert!(matches!(known, Some(Known::Soft(_))), "{known:?}");
    assert_eq!(daemon.empty().await.unwrap(), Some(2));
    assert_eq!(spawned.ask(&a, &options(), false, 101).await, None);
    assert_eq!(spawned.empty().await.unwrap(), None);
}

#[test]
fn a_store_is_shown_without_its_password() {
    for (name, shown) in [
        ("redis://host", "redis at host"),
        (
            "redis://:geheim@h@192.0.2.1:6380/3",
            "redis at 192.0.2.1:6380/3",
        ),
        (
            "mysql://u:geheim@db.test:3307/mail",
            "mysql database mail at db.test:3307",
        ),
        (
            "mysql://u@[2001:db8::1]:3307/mail",
            "mysql database mail at [2001:db8::1]:3307",
        ),
        (
            "postgres://u:geheim@db.test/mail",
            "postgres database mail at db.test",
        ),
        (
            "dbi:mysql:database=mail;mysql_socket=/run/s",
            "mysql database mail at /run/s",
        ),
        ("dbi:SQLite:dbname=/var/lib/c", "sqlite /var/lib/c"),
        ("geheim", ""),
    ] {
        assert_eq!(shown_store(name), shown, "{name}");
    }
}

#[tokio::test]
async fn the_oldest_clients_are_forgotten() {
    let cache = Cache::default();
    for (now, last) in (1..=4).zip(1..) {
        let purged = cache
            .learn(
                &mail(&format!("192.0.2.{last}"), "x@acme.test"),
                &spam(false),
                &options(),
                now,
            )
            .await;
        assert_eq!(
            purged,
            (now == 4).then_some(Purged {
                count: 2,
                table: "SPAM"
            })
        );
    }
    assert_eq!(
        cache.entries(),
        ["blocked: 192.0.2.3 3 1 3", "blocked: 192.0.2.4 3 1 4"]
    );
}

#[tokio::test]
async fn without_sizes_nothing_is_asked() {
    let cache = Cache::default();
    let a = mail("192.0.2.1", "x@acme.test");
    cache.learn(&a, &spam(false), &options(), 0).await;
    let off = CacheOptions {
        spam_size: 0,
        ham_size: 0,
        ..options()
    };
    assert_eq!(cache.ask(&a, &off, false, 0).await, None);
}

#[tokio::test]
async fn names_of_stores_are_read() {
    for (name, message) in [
        ("redis://", "$CACHE_STORE: a host is missing"),
        ("redis://host/x", "$CACHE_STORE: no number of a database"),
        ("memory", "$CACHE_STORE: neither dbi:DRIVER:... nor a URL"),
    ] {
        let error = open_store(name).await.unwrap_err().to_string();
        assert!(error.starts_with(message), "{name}: {error}");
    }
    assert!(open_store("redis://:secret@127.0.0.1:1/3").await.is_ok());
}
