//! slapd: STARTTLS, binds, look-ups, connections that it closes, and a server that fails.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use policy_store::{BreakerState, Directory, DirectoryOptions, Filter, RemoteOptions, StoreError};
use tokio::{
    task::{JoinSet, block_in_place},
    time::sleep,
};

use crate::support::{Server, directory, faults};

fn options(server: &Server, remote: RemoteOptions) -> DirectoryOptions {
    let mut options = DirectoryOptions::new("127.0.0.1");
    options.port = server.port();
    options.authority = Some(server.directory().join("ca.pem"));
    options.bind_dn = Some("cn=admin,dc=example".into());
    options.password = Some(directory::PASSWORD.into());
    options.remote = remote;
    options
}

fn patient() -> RemoteOptions {
    let mut remote = RemoteOptions::default();
    remote.deadline = Duration::from_secs(5);
    remote
}

async fn found(directory: &Directory, uid: &str) -> Vec<String> {
    let filter: Filter = "(uid=%s)".parse().unwrap();
    let filter = filter.with(uid.as_bytes());
    let entries = directory
        .search("dc=example", &filter, &["description"])
        .await
        .unwrap();
    let values = entries.iter().flat_map(|entry| entry.values("Description"));
    values
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect()
}

#[tokio::test]
async fn entries_are_found_over_an_encrypted_connection() {
    let server = directory::slapd("security tls=1");
    let directory = Directory::new(options(&server, patient())).unwrap();
    for name in ["alice", "o(d)d*", "Zoë"] {
        let values = [format!("first of {name}"), format!("second of {name}")];
        assert_eq!(found(&directory, name).await, values);
    }
    // A value does not become a part of the filter.
    assert!(found(&directory, "*").await.is_empty());
    assert!(found(&directory, "alice)(uid=bob").await.is_empty());
    assert!(found(&directory, "nobody\0").await.is_empty());
}

#[tokio::test]
async fn no_more_entries_come_than_were_asked_for() {
    let server = directory::slapd("");
    let directory = Directory::new(options(&server, patient())).unwrap();
    let entries = directory
        .search("dc=example", "(uid=*)", &["uid"])
        .await
        .unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].dn, "cn=alice,dc=example");
}

#[tokio::test]
async fn an_answer_above_the_limit_is_refused_and_the_next_one_is_its_own() {
    let half = "x".repeat(policy_store::MAX_VALUE_LEN / 2);
    let entry = format!(
        "dn: cn=big,dc=example\nobjectClass: inetOrgPerson\ncn: big\nsn: big\nuid: big\n\
         description: 1{half}\ndescription: 2{half}\n\n"
    );
    let server = directory::slapd_with("", &entry);
    let directory = Directory::new(options(&server, patient())).unwrap();
    let error = directory
        .search("dc=example", "(uid=big)", &["description"])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
    assert_eq!(found(&directory, "bob").await.len(), 2);
    assert_eq!(directory.breaker().state(), BreakerState::Closed);
}

#[tokio::test]
async fn what_is_refused_is_said_and_leaves_the_connection_in_order() {
    let server = directory::slapd("");
    let directory = Directory::new(options(&server, patient())).unwrap();
    for (base, filter) in [
        ("dc=example", "(uid=x"),
        ("dc=nowhere", "(uid=x)"),
        ("no name", "(uid=x)"),
    ] {
        let error = directory.search(base, filter, &[]).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    }
    assert_eq!(found(&directory, "bob").await.len(), 2);
    assert_eq!(directory.breaker().state(), BreakerState::Closed);
}

#[tokio::test]
async fn a_password_is_not_sent_to_a_server_that_is_not_known() {
    let server = directory::slapd("");
    for change in [
        |options: &mut DirectoryOptions, server: &Server| {
            options.authority = Some(server.directory().join("other.pem"));
        },
        |options: &mut DirectoryOptions, _: &Server| options.host = "localhost".into(),
        |options: &mut DirectoryOptions, _: &Server| options.authority = None,
    ] {
        let mut options = options(&server, patient());
        change(&mut options, &server);
        let directory = Directory::new(options).unwrap();
        let error = directory
            .search("dc=example", "(uid=*)", &[])
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::Connection(_)), "{error:?}");
    }
    let mut missing = options(&server, patient());
    missing.authority = Some("/no/such/file".into());
    assert!(matches!(
        Directory::new(missing),
        Err(StoreError::Refused(_))
    ));
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    let server = directory::slapd("");
    let mut wrong = options(&server, patient());
    wrong.password = Some("geheim-8".into());
    let shown = format!("{wrong:?}");
    let directory = Directory::new(wrong).unwrap();
    let error = directory
        .search("dc=example", "(uid=*)", &[])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Login(_)), "{error:?}");
    let shown = format!("{shown} {directory:?} {error:?} {error}");
    assert!(!shown.contains("geheim"), "{shown}");
}

#[test]
fn a_host_that_is_none_is_refused() {
    for host in ["", "one two", "ldaps://one", "one:389"] {
        let refused = Directory::new(DirectoryOptions::new(host)).unwrap_err();
        let said = "refused: the host is neither a name nor an address";
        assert_eq!(refused.to_string(), said, "{host}");
    }
}

#[test]
fn a_name_without_a_password_is_refused() {
    for password in [None, Some("".into())] {
        let mut options = DirectoryOptions::new("localhost");
        options.bind_dn = Some("cn=admin,dc=example".into());
        options.password = password;
        let refused = Directory::new(options);
        assert!(
            matches!(refused, Err(StoreError::Refused(_))),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_is_replaced() {
    let server = directory::slapd("idletimeout 1");
    let directory = Directory::new(options(&server, patient())).unwrap();
    for _ in 0..3 {
        assert_eq!(found(&directory, "bob").await.len(), 2);
        // The server looks for idle connections every few seconds; both ways are right, and none is an error.
        sleep(Duration::from_millis(1500)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_fails_is_waited_for_no_longer_than_the_deadline() {
    let mut server = directory::slapd("");
    let directory = Directory::new(options(&server, faults::remote())).unwrap();
    let breaker = directory.breaker().clone();
    let (ends, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let mut callers = JoinSet::new();
    for name in ["alice", "bob", "Zoë", "alice"] {
        let (directory, ends, answered) = (directory.clone(), ends.clone(), answered.clone());
        callers.spawn(async move {
            let filter = format!("(uid={name})");
            while !ends.load(Ordering::Relaxed) {
                let search = directory.search("dc=example", &filter, &["uid"]);
                match faults::by_deadline(search).await {
                    Ok(entries) => {
                        assert_eq!(entries[0].values("uid"), [name.as_bytes()]);
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(_) => sleep(Duration::from_millis(2)).await,
                }
            }
        });
    }
    let answers = async || {
        let end = answered.load(Ordering::Relaxed) + 100;
        while answered.load(Ordering::Relaxed) < end {
            sleep(Duration::from_millis(5)).await;
        }
    };
    answers().await;
    block_in_place(|| server.kill());
    faults::state(&breaker, BreakerState::Open).await;
    block_in_place(|| server.start_again());
    faults::state(&breaker, BreakerState::Closed).await;
    answers().await;
    server.stop();
    faults::state(&breaker, BreakerState::Open).await;
    server.go_on();
    faults::state(&breaker, BreakerState::Closed).await;
    answers().await;
    ends.store(true, Ordering::Relaxed);
    while let Some(result) = callers.join_next().await {
        result.unwrap();
    }
}
