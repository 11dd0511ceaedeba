//! `policy-client tap` records, with addresses or without.

use std::{fs, os::unix::fs::PermissionsExt as _};

use policy_testing::{
    process::{policy_client, request, run},
    stub::{Reply, Script, Stub},
};
use tempfile::TempDir;

use super::Tap;

#[test]
fn what_is_recorded_can_be_replayed() {
    let dir = TempDir::new().unwrap();
    let record = dir.path().join("record");
    let record = record.to_str().unwrap();
    let stub = Stub::tcp(Script::reply(Reply::Choose(|request| {
        if String::from_utf8_lossy(request).contains("sender=close") {
            Reply::CloseUnanswered
        } else {
            Reply::Bytes(b"action=REJECT no\n\n".to_vec())
        }
    })));
    let tap = Tap::start(&stub.address(), &["--record", record, "--quiet"]);
    let mut client = tap.connect();
    for sender in ["a@x", "b@x"] {
        client.ask(&request(&[("sender", sender)]));
    }
    let mut client = tap.connect();
    client.send(&request(&[("sender", "close")]));
    assert!(client.is_ended());
    let ended = tap.stop();
    assert_eq!(ended.out.lines().count(), 1, "{ended:?}");
    assert!(
        ended.err.starts_with("2 answered, 1 without an answer in "),
        "{ended:?}"
    );
    let text = fs::read_to_string(record).unwrap();
    assert!(text.starts_with("# policy-client tap\n#: time="), "{text}");
    assert_eq!(text.matches(" action=REJECT no\n").count(), 2, "{text}");
    assert_eq!(
        text.matches(" error=the server closed the connection without an answer\n")
            .count(),
        1,
        "{text}"
    );
    assert_eq!(
        fs::metadata(record).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let before = stub.requests();
    let ended = run(
        policy_client(),
        &[
            "replay",
            record,
            &stub.address(),
            "--diff",
            "recorded",
            "--full-speed",
        ],
    );
    assert_eq!(
        ended.code,
        Some(69),
        "one was not answered again: {ended:?}"
    );
    assert!(ended.out.contains("0 of 3 differ\n"), "{ended:?}");
    let mut after: Vec<_> = stub.requests().split_off(before.len());
    after.retain(|request| !request.ends_with(b"sender=close\n\n"));
    assert_eq!(after, before[..2]);
    // Nothing is written over.
    let ended = run(
        policy_client(),
        &[
            "tap",
            "inet:127.0.0.1:0",
            &stub.address(),
            "--record",
            record,
        ],
    );
    assert_eq!(ended.code, Some(73), "{ended:?}");
    let said = ": File exists (os error 17): it is not written over: name another\n";
    assert!(ended.err.ends_with(said), "{ended:?}");
}

#[test]
fn a_key_that_others_may_read_is_warned_of() {
    let dir = TempDir::new().unwrap();
    let key = dir.path().join("key");
    fs::write(&key, "0123456789abcdef").unwrap();
    let key = key.to_str().unwrap();
    let stub = Stub::tcp(Script::default());
    for (mode, warning) in [
        (
            0o640,
            &*format!(
                "policy-client: {key}: others than its owner may read this key (mode 0640): chmod 600 keeps it private\n"
            ),
        ),
        (0o600, ""),
    ] {
        fs::set_permissions(key, fs::Permissions::from_mode(mode)).unwrap();
        let args = ["--anonymise", "--key-file", key];
        let ended = Tap::start(&stub.address(), &args).stop();
        let (said, _) = ended.err.split_once("0 answered, ").unwrap();
        assert_eq!(said, warning);
    }
}

#[test]
fn anonymised_is_what_is_shown_and_recorded_and_not_what_goes_through() {
    let dir = TempDir::new().unwrap();
    let [key, first, second] =
        ["key", "first", "second"].map(|name| dir.path().join(name).to_str().unwrap().to_owned());
    fs::write(&key, "0123456789abcdef").unwrap();
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(&key, private).unwrap();
    let stub = Stub::tcp(Script::answer("REJECT secret@private.example is blocked"));
    let mut shown = Vec::new();
    for record in [&first, &second] {
        let args = ["--anonymise", "--key-file", &key, "--record", record];
        let tap = Tap::start(&stub.address(), &args);
        let request = request(&[
            ("client_address", "192.0.2.77"),
            ("sender", "secret@private.example"),
        ]);
        let answer = tap.connect().ask(&request);
        assert_eq!(answer, "REJECT secret@private.example is blocked");
        assert!(
            stub.requests()
                .pop()
                .unwrap()
                .ends_with(b"sender=secret@private.example\n\n")
        );
        assert!(tap.process.out.wait_lines(1, " -> "));
        let ended = tap.stop();
        let recorded = fs::read_to_string(record).unwrap();
        for text in [&ended.out, &recorded] {
            for private in ["secret", "private", "192.0.2.77"] {
                assert!(!text.contains(private), "{text}");
            }
        }
        let sender = recorded
            .lines()
            .find_map(|line| line.strip_prefix("sender="))
            .unwrap();
        assert!(
            recorded.contains(&format!(" action=REJECT {sender} is blocked\n")),
            "{recorded}"
        );
        shown.push(
            recorded
                .lines()
                .skip(2)
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(shown[0], shown[1], "the same key, the same names");
}
