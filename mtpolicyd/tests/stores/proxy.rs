//! `Proxy`.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, UnixListener},
};

use super::world::{CONNECTIONS, Frame, World};

const FRAME: Frame<'static> = Frame::of("Proxy");

/// Answers each request with its sender and the number of its connection, or with another text.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, number: usize, reply: &str) {
    let mut stream = BufReader::new(stream);
    let mut sender = String::new();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(value) = line.strip_prefix("sender=") {
            value.trim_end().clone_into(&mut sender);
        } else if line == "\n" {
            let text = reply
                .replace("SENDER", &sender)
                .replace("CONNECTION", &number.to_string());
            if stream.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

const REPLY: &str = "action=reject SENDER conn CONNECTION\n\n";

/// A policy server, and its address.
async fn server(reply: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let count = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = count.fetch_add(1, Relaxed) + 1;
            tokio::spawn(answer(stream, number, reply));
        }
    });
    address
}

/// An address at which nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_request_is_passed_on_over_a_connection_of_its_own_or_a_kept_one() {
    for (keepalive, second) in [
        ("", "reject b@x conn 2"),
        ("keepalive=0", "reject b@x conn 2"),
        ("keepalive=1", "reject b@x conn 1"),
    ] {
        let address = server(REPLY).await;
        let world = FRAME.world(&format!("host={address}\n{keepalive}")).await;
        assert_eq!(world.ask("").await, "reject carol@acme.example conn 1");
        assert_eq!(world.ask("sender=b@x").await, second, "{keepalive}");
    }
}

#[tokio::test]
async fn a_server_may_be_behind_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("policy")).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, 7, REPLY));
        }
    });
    let plugins = FRAME.plugins("socket_path=@TMP@/policy");
    let world = World::in_directory(directory, CONNECTIONS, &plugins);
    assert_eq!(world.ask("").await, "reject carol@acme.example conn 7");
    let world = world.again(CONNECTIONS, &FRAME.plugins("host=@TMP@/policy"));
    assert_eq!(world.ask("sender=b@x").await, "reject b@x conn 7");
}

#[tokio::test]
async fn the_next_server_is_asked_where_the_first_one_does_not_answer() {
    let (away, there) = (nobody().await, server(REPLY).await);
    let world = FRAME.world(&format!("host=\"{away}, {there}\"")).await;
    for sender in ["a@x", "b@x", "c@x"] {
        let answer = world.ask(&format!("sender={sender}")).await;
        assert!(answer.starts_with(&format!("reject {sender} ")), "{answer}");
    }
}

#[tokio::test]
async fn no_server_and_no_action_fail_the_request() {
    let away = nobody().await;
    let no_action = server("result=7\n\n").await;
    for host in [away, no_action] {
        let answer = FRAME.world(&format!("host={host}")).await.ask("").await;
        let begin = format!("closed: plugin p failed: no policy server answered: inet:{host}");
        assert!(answer.starts_with(&begin), "{answer}");
        let world = FRAME
            .world(&format!("host={host}\non_error=continue"))
            .await;
        assert_eq!(world.ask("").await, "ok");
    }
}

#[tokio::test]
async fn other_attributes_of_an_answer_are_left_out() {
    let address = server("score=7\naction=dunno\nmore=1\n\n").await;
    let world = FRAME.world(&format!("host={address}")).await;
    assert_eq!(world.ask("").await, "dunno");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_has_its_timeout_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let world = FRAME.world(&format!("host={address}\ntimeout=3")).await;
    let begin = tokio::time::Instant::now();
    let answer = world.ask("").await;
    assert!(
        answer.starts_with("closed: plugin p failed: no policy server answered"),
        "{answer}"
    );
    assert_eq!(begin.elapsed().as_secs(), 3);
}

#[test]
fn what_cannot_work_is_said_when_the_configuration_is_read() {
    for (parameters, finding) in [
        ("", "error: no host and no socket_path configured!"),
        (
            "host=\"127.0.0.1:1, 127.0.0.1:1\"",
            "error: `host`: the backend at index 1 has the key of an earlier one",
        ),
        ("host=127.0.0.1", "error: `inet:127.0.0.1` names no server"),
        (
            "host=127.0.0.1:1\nkeepalive=yes",
            "error: `keepalive` is `yes`, but 1 or 0 is wanted",
        ),
        (
            "host=127.0.0.1:1\nsocket_path=/x",
            "warning: `host` means nothing beside `socket_path`",
        ),
    ] {
        let found = FRAME.findings(parameters, false);
        let is_said = found.len() == 1 && found[0].starts_with(finding);
        assert!(is_said, "{parameters}: {found:?}");
    }
}
