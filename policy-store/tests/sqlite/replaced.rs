//! A file that is removed or replaced while it is open, and one on which nothing may be written.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use policy_store::{Event, Sql as _, Sqlite, SqliteOptions, SqliteStore, Store as _, StoreError};
use tempfile::TempDir;

use super::{open, options, store, suite};

/// Waits until the value of a key is this one.
async fn comes(store: &SqliteStore, key: &[u8], value: Option<&[u8]>) {
    let is_so = suite::eventually(async || store.get(key).await.unwrap().as_deref() == value);
    assert!(is_so.await, "{key:?}");
}

/// Waits until a key has this value, while calls may fail.
async fn comes_back(store: &SqliteStore, key: &[u8], value: &[u8]) {
    let is_back = suite::eventually(async || {
        store
            .get(key)
            .await
            .is_ok_and(|found| found.as_deref() == Some(value))
    });
    assert!(is_back.await, "{key:?}");
}

#[tokio::test]
async fn a_file_that_is_removed_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = open(directory.path()).await;
    let store = SqliteStore::new(file.clone()).await.unwrap();
    store.set(b"a", b"1", None).await.unwrap();
    fs::remove_file(directory.path().join("store.sqlite")).unwrap();
    comes(&store, b"a", None).await;
    assert_eq!(file.replaced(), 1);
    store.set(b"a", b"2", None).await.unwrap();
    let windows = "1/1m".parse().unwrap();
    let usage = store.count(b"w", &windows, Event::Amount(1)).await;
    assert!(usage.unwrap().allowed);
    // Others see it.
    let other = self::store(directory.path()).await;
    assert_eq!(other.get(b"a").await.unwrap().as_deref(), Some(&b"2"[..]));
}

/// Nothing is lost: both files are the same ones.
#[tokio::test]
async fn a_directory_that_is_moved_away_and_back_is_no_loss() {
    let directory = tempfile::tempdir().unwrap();
    let (here, elsewhere) = (directory.path().join("a"), directory.path().join("b"));
    fs::create_dir(&here).unwrap();
    let file = open(&here).await;
    let store = SqliteStore::new(file.clone()).await.unwrap();
    store.set(b"a", b"1", None).await.unwrap();
    fs::rename(&here, &elsewhere).unwrap();
    let is_noticed = suite::eventually(async || store.get(b"a").await.is_err());
    assert!(is_noticed.await);
    fs::rename(&elsewhere, &here).unwrap();
    comes_back(&store, b"a", b"1").await;
    assert_eq!(file.replaced(), 0);

    // The file alone lacks what is in its log, which is the next one's by then.
    let away = directory.path().join("alone");
    fs::rename(here.join("store.sqlite"), &away).unwrap();
    comes(&store, b"a", None).await;
    assert_eq!(file.replaced(), 1);
}

#[tokio::test]
async fn a_file_that_is_put_in_its_place_is_used_without_the_log_of_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    {
        let backup = store(elsewhere.path()).await;
        backup.set(b"a", b"of the backup", None).await.unwrap();
    }
    let is_closed = suite::eventually(async || !elsewhere.path().join("store.sqlite-wal").exists());
    assert!(is_closed.await);
    let file = open(directory.path()).await;
    let store = SqliteStore::new(file.clone()).await.unwrap();
    for number in 0..50 {
        let key = format!("key {number}");
        store
            .set(key.as_bytes(), &[b'x'; 5000], None)
            .await
            .unwrap();
    }
    assert!(directory.path().join("store.sqlite-wal").exists());
    // What is not in the same directory is not renamed: another file system.
    fs::copy(
        elsewhere.path().join("store.sqlite"),
        directory.path().join("new"),
    )
    .unwrap();
    fs::rename(
        directory.path().join("new"),
        directory.path().join("store.sqlite"),
    )
    .unwrap();
    comes(&store, b"a", Some(b"of the backup")).await;
    assert_eq!(store.get(b"key 1").await.unwrap(), None);
    assert_eq!(file.replaced(), 1);
    let rows = file.rows("PRAGMA integrity_check", &[]).await.unwrap();
    assert_eq!(rows[0][0].text().as_deref(), Some(&b"ok"[..]));
}

/// What it held is in the file, or in the log beside it.
#[tokio::test]
async fn a_file_that_is_cut_to_nothing_is_begun_again_without_the_log_of_before() {
    for is_in_log in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let file = open(directory.path()).await;
        let store = SqliteStore::new(file.clone()).await.unwrap();
        store.set(b"a", b"1", None).await.unwrap();
        if !is_in_log {
            file.close().await;
            let kept = store.get(b"a").await.unwrap();
            assert_eq!(kept.as_deref(), Some(&b"1"[..]));
        }
        let path = directory.path().join("store.sqlite");
        fs::File::options()
            .write(true)
            .truncate(true)
            .open(path)
            .unwrap();
        // A call before it is noticed may fail.
        let is_empty = suite::eventually(async || matches!(store.get(b"a").await, Ok(None)));
        assert!(is_empty.await, "{is_in_log}");
        assert_eq!(file.replaced(), 1, "{is_in_log}");
        store.set(b"a", b"2", None).await.unwrap();
        let rows = file.rows("PRAGMA integrity_check", &[]).await.unwrap();
        assert_eq!(rows[0][0].text().as_deref(), Some(&b"ok"[..]));
    }
}

#[tokio::test]
async fn a_file_that_is_removed_after_it_has_failed_is_another_one() {
    let directory = tempfile::tempdir().unwrap();
    let file = open(directory.path()).await;
    let store = SqliteStore::new(file.clone()).await.unwrap();
    store.set(b"a", b"1", None).await.unwrap();
    file.close().await;
    let path = directory.path().join("store.sqlite");
    let damage = [b'x'; 20_000];
    fs::write(&path, damage).unwrap();
    for _ in 0..3 {
        let failed = store.get(b"a").await;
        assert!(
            matches!(failed, Err(StoreError::NotServing(_))),
            "{failed:?}"
        );
    }
    assert_eq!(file.replaced(), 0);
    fs::remove_file(&path).unwrap();
    let is_back = suite::eventually(async || matches!(store.get(b"a").await, Ok(None)));
    assert!(is_back.await);
    assert_eq!(file.replaced(), 1);
    store.set(b"a", b"2", None).await.unwrap();
    assert_eq!(file.replaced(), 1);
}

#[tokio::test]
async fn a_file_that_is_closed_is_whole_by_itself_and_opens_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = open(directory.path()).await;
    file.close().await;
    let store = SqliteStore::new(file.clone()).await.unwrap();
    // Another process has it open, so that SQLite keeps the log at the end.
    let other = self::store(directory.path()).await;
    assert_eq!(other.get(b"a").await.unwrap(), None);
    store.set(b"a", b"1", None).await.unwrap();
    file.close().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let name = "store.sqlite";
    fs::copy(directory.path().join(name), elsewhere.path().join(name)).unwrap();
    let copy = self::store(elsewhere.path()).await;
    assert_eq!(copy.get(b"a").await.unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(store.get(b"a").await.unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(file.replaced(), 0);
}

#[tokio::test]
async fn a_file_that_stays_is_not_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = open(directory.path()).await;
    let store = SqliteStore::new(file.clone()).await.unwrap();
    for _ in 0..3 {
        store.add(b"n", 1, None).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    assert_eq!(store.add(b"n", 1, None).await.unwrap(), 4);
    assert_eq!(file.replaced(), 0);
}

async fn read_only(path: &Path) -> (SqliteStore, Sqlite) {
    let mut options = SqliteOptions::new(path);
    options.read_only = true;
    let file = Sqlite::open(options).await.unwrap();
    (SqliteStore::new(file.clone()).await.unwrap(), file)
}

/// The names in a directory, with the length of each file.
fn files(directory: &TempDir) -> Vec<(String, u64)> {
    let entries = fs::read_dir(directory.path()).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, entry.metadata().unwrap().len())
        })
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn where_nothing_is_written_what_is_missing_is_empty_and_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = options(directory.path()).path;
    {
        let (missing, _) = read_only(&path).await;
        assert_eq!(missing.get(b"a").await.unwrap(), None);
    }
    assert_eq!(files(&directory), []);

    // A file without the table.
    let file = open(directory.path()).await;
    file.execute("CREATE TABLE other (a)", &[]).await.unwrap();
    {
        let (empty, same) = read_only(&path).await;
        assert_eq!(empty.get(b"a").await.unwrap(), None);
        let refused = same.execute("INSERT INTO other VALUES (1)", &[]).await;
        assert!(
            matches!(refused, Err(StoreError::NotServing(_))),
            "{refused:?}"
        );
        let rows = same.rows("SELECT a FROM other", &[]).await.unwrap();
        assert!(rows.is_empty());
    }
    let made = "SELECT 1 FROM sqlite_master WHERE name = 'policy_store'";
    assert!(file.rows(made, &[]).await.unwrap().is_empty());

    let store = SqliteStore::new(file).await.unwrap();
    store.set(b"a", b"1", None).await.unwrap();
    let before = files(&directory);
    let (full, _) = read_only(&path).await;
    assert_eq!(full.get(b"a").await.unwrap().as_deref(), Some(&b"1"[..]));
    assert!(full.set(b"a", b"2", None).await.is_err());
    assert_eq!(store.get(b"a").await.unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(files(&directory), before);
}

#[tokio::test]
async fn a_pipe_is_no_database_and_nobody_waits_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    for path in [path.as_path(), Path::new("/dev/zero"), Path::new("/")] {
        let error = Sqlite::open(SqliteOptions::new(path)).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(text, "no regular file", "{}", path.display());
    }
}

#[tokio::test]
async fn what_cannot_be_opened_is_away_and_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("later");
    let file = Sqlite::new(SqliteOptions::new(below.join("db")));
    assert!(file.breaker().name().ends_with("later/db"));
    for _ in 0..3 {
        assert!(file.start().await.is_err());
    }
    let refused = file.start().await.unwrap_err();
    assert!(matches!(refused, StoreError::Away(_)), "{refused}");
    fs::create_dir(&below).unwrap();
    assert!(suite::eventually(async || file.start().await.is_ok()).await);
}

/// Links on the way to the directory are followed, as from `/var/run` to `/run`; those in the place of the file are not.
#[tokio::test]
async fn a_link_in_the_place_of_the_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("real")).unwrap();
    symlink(path("real"), path("way")).unwrap();
    fs::write(path("other"), "").unwrap();
    let open = async |read_only| {
        let mut options = SqliteOptions::new(path("way/store.sqlite"));
        options.follow_links = false;
        options.read_only = read_only;
        SqliteStore::new(Sqlite::open(options).await?).await
    };
    for (target, why) in [
        ("other", "symbolic"),
        ("missing", "symbolic"),
        ("other", "hard"),
    ] {
        let link = path("real/store.sqlite");
        if why == "hard" {
            fs::hard_link(path(target), &link).unwrap();
        } else {
            symlink(path(target), &link).unwrap();
        }
        for read_only in [true, false] {
            let refused = open(read_only).await.unwrap_err().to_string();
            assert!(refused.contains(why), "{target}: {refused}");
        }
        fs::remove_file(link).unwrap();
        assert_eq!(fs::read(path("other")).unwrap(), b"");
        assert!(!path("missing").exists());
    }
    let store = open(false).await.unwrap();
    store.set(b"a", b"1", None).await.unwrap();
    let shown = open(true).await.unwrap();
    assert_eq!(shown.get(b"a").await.unwrap().as_deref(), Some(&b"1"[..]));

    // One that comes later is noticed with the next look.
    fs::rename(path("real/store.sqlite"), path("moved")).unwrap();
    symlink(path("other"), path("real/store.sqlite")).unwrap();
    let is_refused = suite::eventually(async || store.get(b"a").await.is_err());
    assert!(is_refused.await);
}
