//! What comes besides an answer, with it or later, and over which connection the next request goes.

use std::time::Duration;

use policy_testing::stub::{Reply, Script, Stub};

use crate::{query, serve::Server};

/// A real Postfix beside it: `cli/tests/postfix/explained.rs`.
#[test]
fn a_newline_after_an_answer_is_told_each_time_that_it_comes() {
    let said = "excess: the server sent '\\n' after its answer, which Postfix ignores if it comes with the answer; else it connects again after a second, or takes it for its next answer\n";
    let server = Server::start("inet:127.0.0.1:0", &["--newline"]);
    let ended = query(&[&server.endpoint]);
    let got = (ended.code, ended.out.as_str(), ended.err.as_str());
    assert_eq!(got, (Some(0), "dunno\n", said));
    let ended = query(&[&server.endpoint, "--count", "3"]);
    assert_eq!(ended.err.matches(said).count(), 3, "{ended:?}");
    assert_eq!(
        excess_and_connections(&server.endpoint),
        [("\n", "new"), ("\n", "kept")].map(owned)
    );
    server.stop();
}

#[test]
fn what_comes_late_is_told_with_the_next_answer() {
    let pieces = |more: &[u8]| {
        let pieces = vec![b"action=OK\n\n".to_vec(), more.to_vec()];
        Stub::tcp(Script::reply(Reply::Pieces(
            pieces,
            Duration::from_millis(50),
        )))
    };
    let newline = pieces(b"\n");
    assert_eq!(
        excess_and_connections(&newline.address()),
        [("", "new"), ("\n", "reopened")].map(owned)
    );
}

#[test]
fn after_an_answer_too_many_another_connection_is_taken() {
    let bytes = "action=OK\n\naction=REJECT\n\n";
    let stub = Stub::tcp(Script::bytes(bytes));
    let excess = "action=REJECT\n\n";
    assert_eq!(
        excess_and_connections(&stub.address()),
        [(excess, "new"), (excess, "reopened")].map(owned)
    );
    let ended = query(&[&stub.address(), "--count", "2", "-v"]);
    assert!(ended.err.contains(" ms over another connection: what came over the one before could be taken for this answer\n"), "{ended:?}");
}

/// What two requests find besides their answers, and over which connection they go.
fn excess_and_connections(endpoint: &str) -> Vec<(String, String)> {
    let ended = query(&[endpoint, "--count", "2", "--json"]);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{ended:?}");
    let objects = ended.out.lines().map(|line| {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
        (text("excess"), text("connection"))
    });
    objects.collect()
}

fn owned((excess, connection): (&str, &str)) -> (String, String) {
    (excess.to_owned(), connection.to_owned())
}
