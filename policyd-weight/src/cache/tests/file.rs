//! The file behind a cache while another process holds it, and the caller of a change has given up.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use tokio::{select, time::sleep};

use super::*;

/// Another process in the middle of a transaction.
struct Other {
    child: Child,
    input: ChildStdin,
}

impl Other {
    fn hold(path: &Path, transaction: &str) -> Self {
        let mut command = Command::new("sqlite3");
        command.arg(path);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{transaction}\nSELECT 'held';").unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "held"));
        Self { child, input }
    }

    fn leave(mut self) {
        self.input.write_all(b"ROLLBACK;\n.quit\n").unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

/// The file of a cache, without a write-ahead log: a commit waits there for who reads, for as long as it takes.
async fn open_patiently(path: &Path) -> Cache {
    let mut options = SqliteOptions::new(path);
    options.write_ahead = false;
    options.remote.deadline = Duration::from_secs(60);
    let file = Sqlite::open(options).await.unwrap();
    let file = SqliteStore::new(file).await.unwrap();
    let cache = Cache::default();
    cache.attach(Backing::File(file)).await.unwrap();
    cache
}

/// What the file forgets after its time is over, and the memory does not, is written once more.
#[tokio::test]
async fn who_is_not_forgotten_in_time_stays_in_the_file_as_well() {
    for forgets_all in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cache.sqlite");
        let cache = open_patiently(&path).await;
        let a = mail("192.0.2.1", "x@acme.test");
        cache.learn(&a, &spam(false), &options(), 100).await;
        cache.learn(&a, &ham(), &options(), 100).await;
        cache.flush().await.unwrap();
        let entries = cache.entries();
        assert_eq!(entries.len(), 2);

        let reader = Other::hold(&path, "BEGIN; SELECT count(*) FROM policy_store;");
        let journal = directory.path().join("cache.sqlite-journal");
        let has_begun = async {
            while !journal.exists() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let forgotten = async {
            if forgets_all {
                cache.empty().await.map(drop)
            } else {
                cache.forget("192.0.2.1").await.map(drop)
            }
        };
        select! {
            forgotten = forgotten => panic!("a reader keeps it from being done: {forgotten:?}"),
            () = has_begun => {}
        }
        reader.leave();
        assert_eq!(cache.entries(), entries);
        cache.flush().await.unwrap();
        let second = open_patiently(&path).await;
        assert_eq!(second.entries(), entries);
    }
}

/// The end of a daemon may come while it writes.
#[tokio::test]
async fn what_is_given_up_while_it_is_written_is_written_later() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache.sqlite");
    let cache = open_patiently(&path).await;
    let a = mail("192.0.2.1", "x@acme.test");
    cache.learn(&a, &spam(false), &options(), 100).await;
    cache.learn(&a, &ham(), &options(), 100).await;
    let writer = Other::hold(&path, "BEGIN IMMEDIATE;");
    select! {
        biased;
        written = cache.flush() => panic!("another process writes: {written:?}"),
        () = std::future::ready(()) => {}
    }
    writer.leave();
    cache.flush().await.unwrap();
    let second = open_patiently(&path).await;
    assert_eq!(second.entries(), cache.entries());
    assert_eq!(second.entries().len(), 2);
}

/// A daemon writes each second, also while a client is being forgotten.
#[tokio::test]
async fn what_is_written_meanwhile_brings_no_client_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache.sqlite");
    let cache = open_patiently(&path).await;
    let a = mail("192.0.2.1", "x@acme.test");
    cache.learn(&a, &spam(false), &options(), 100).await;
    cache.learn(&a, &ham(), &options(), 100).await;
    cache.flush().await.unwrap();
    let writer = Other::hold(&path, "BEGIN IMMEDIATE;");
    let writes = async {
        loop {
            cache.exchange().await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
    };
    let leaves = async {
        sleep(Duration::from_millis(100)).await;
        writer.leave();
    };
    let forgotten = async { tokio::join!(cache.forget("192.0.2.1"), leaves).0 };
    select! {
        () = writes => {}
        forgotten = forgotten => assert_eq!(forgotten.unwrap(), 2),
    }
    cache.exchange().await.unwrap();
    assert_eq!(cache.entries(), [""; 0]);
    let second = open_patiently(&path).await;
    assert_eq!(second.entries(), [""; 0]);
}
