//! The alert tells when somebody is blocked for the first time.

use std::{path::Path, time::Duration};

use policy_store::key;
use policy_testing::process::write_program;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::advance,
};

use super::FRAME;
use crate::world::web_request;

const ALWAYS: &str = "limits=\"1/1m\"\ncount_at=RCPT\naction=\"reject over\"\n";

#[tokio::test]
async fn a_command_is_run_once_in_a_window_without_a_shell_or_the_daemon_s_environment() {
    let directory = tempfile::tempdir().unwrap();
    let (script, pipe) = (directory.path().join("told"), directory.path().join("pipe"));
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let text = format!(
        "#!/bin/sh\nfor word; do echo \"$word\"; done > {pipe}\n",
        pipe = pipe.display()
    );
    let text = text.replace("echo", "echo \"${HOME-none}\"");
    write_program(&script, &text);
    let command = format!(
        "on_block_command=\"{} '%KEY% is' %LIMIT% %USED%\"",
        script.display()
    );
    let world = FRAME.world(&format!("{ALWAYS}{command}")).await;
    let mut told = Vec::new();
    for (instance, sender) in [
        (1, "a@x;id"),
        (2, "a@x;id"),
        (3, "a@x;id"),
        (4, "b@x"),
        (5, "b@x"),
    ] {
        let answer = world
            .ask(&format!("instance={instance} sender={sender}"))
            .await;
        // Of each sender the second mail is the first that is blocked.
        if answer == "reject over" && (instance == 2 || instance == 5) {
            told.push(read(&pipe).await);
        }
    }
    assert_eq!(
        told,
        [
            "none a@x;id is\nnone 1/1m\nnone 1\n",
            "none b@x is\nnone 1/1m\nnone 1\n"
        ]
    );
}

#[tokio::test]
async fn a_key_that_is_a_command_itself_is_a_value_in_the_environment() {
    // Keys are in small letters.
    let prefix = format!("mtpolicyd-key-{}", std::process::id());
    let mut directory = tempfile::Builder::new();
    let directory = directory.prefix(&prefix).rand_bytes(0).tempdir();
    let directory = directory.unwrap();
    let (pipe, mark) = (directory.path().join("pipe"), directory.path().join("mark"));
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let script = format!(
        r#"echo \"$MTPOLICYD_LIMIT $MTPOLICYD_BY $MTPOLICYD_KEY $MTPOLICYD_METRIC $MTPOLICYD_WINDOW $MTPOLICYD_USED ${{MTPOLICYD_TIME:+now}} ${{HOME-none}}\" > {}"#,
        pipe.display()
    );
    let command = format!("on_block_command=\"/bin/sh -c '{script}'\"");
    let world = FRAME.world(&format!("{ALWAYS}{command}")).await;
    let sender = format!("\"$(>{})\"@x;id", mark.display());
    for instance in [1, 2] {
        world
            .ask(&format!("instance={instance} sender={sender}"))
            .await;
    }
    let expected = format!("p sender {sender} messages 1/1m 1 now none\n");
    assert_eq!(read(&pipe).await, expected);
    assert!(!mark.exists());
}

#[test]
fn a_key_within_the_text_of_a_program_is_said() {
    let findings =
        |command: &str| FRAME.findings(&format!("{ALWAYS}on_block_command=\"{command}\""), false);
    let said = "warning: `on_block_command`: `echo %KEY%` is a program for `/bin/sh`, and a client that chooses its %KEY% \
        would write a part of it: use $MTPOLICYD_KEY of the environment there";
    assert_eq!(findings("/bin/sh -c 'echo %KEY%'"), [said]);
    assert_eq!(findings("/bin/sh /etc/told %KEY%"), [""; 0]);
}

#[tokio::test]
async fn what_a_command_has_started_ends_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let (script, pipe) = (directory.path().join("told"), directory.path().join("pipe"));
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let text = format!(
        "#!/bin/sh\nexec > {}\necho told\n(sleep 5; echo alive) &\n",
        pipe.display()
    );
    write_program(&script, &text);
    let command = format!("on_block_command={}", script.display());
    let world = FRAME.world(&format!("{ALWAYS}{command}")).await;
    for instance in [1, 2] {
        world.ask(&format!("instance={instance}")).await;
    }
    // The pipe ends when nobody can write into it any more.
    assert_eq!(read(&pipe).await, "told\n");
}

/// What is written into a pipe, to its end.
async fn read(pipe: &Path) -> String {
    let pipe = pipe.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(pipe));
    read.await.unwrap().unwrap()
}

#[tokio::test]
async fn a_web_server_is_told_once_in_a_window_and_can_know_who_says_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let world = FRAME
        .world(&format!(
            "{ALWAYS}on_block_url=http://{address}/hook?a=1\non_block_secret=geheim"
        ))
        .await;
    for (instance, sender) in [(1, "a@x"), (2, "a@x"), (3, "a@x"), (4, "b@x"), (5, "b@x")] {
        world
            .ask(&format!("instance={instance} sender={sender}"))
            .await;
    }
    let mut bodies = Vec::new();
    for _ in 0..2 {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = web_request(&mut stream).await;
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /hook?a=1 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nHost: {address}\r\n")), "{head}");
        assert!(
            head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())),
            "{head}"
        );
        assert!(
            head.contains("\r\nX-Mtpolicyd-Signature: sha256="),
            "{head}"
        );
        let mut body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert!(body["time"].take().as_u64().unwrap() > 1_700_000_000);
        bodies.push(body);
    }
    bodies.sort_by_key(|body| body["key"].as_str().map(str::to_owned));
    let expected = ["a@x", "b@x"].map(|key| {
        serde_json::json!({
            "limit": "p", "by": "sender", "key": key, "metric": "messages", "window": "1/1m", "used": 1, "time": null,
        })
    });
    assert_eq!(bodies, expected);
}

#[tokio::test]
async fn what_goes_wrong_is_logged_and_holds_nobody_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let parameters = format!("{ALWAYS}on_block_url=http://{address}/secret");
    for (number, (answer, expected)) in [
        (
            "HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n",
            "status 302",
        ),
        ("HTTP/1.1 500 Sorry\r\n\r\n", "status 500"),
        ("HTTP/1.1 2000 Much\r\n\r\n", "status 2000"),
        ("220 mail ESMTP\r\n", "no answer of HTTP"),
        ("", "no answer of HTTP"),
    ]
    .into_iter()
    .enumerate()
    {
        // Repeats of a warning are only counted: each case has a log of its own.
        let world = FRAME.world(&parameters).await;
        for instance in [1, 2] {
            let request = format!("instance={number}.{instance}");
            world.ask(&request).await;
        }
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        // It ends when the other side has logged what came, or is about to.
        _ = stream.read_to_end(&mut rest).await;
        let line = format!("limit p: http://{address}: {expected}");
        let logged = world.services.journal.log();
        let mut text = String::new();
        for _ in 0..1000 {
            text.push_str(&String::from_utf8_lossy(&logged.take_buffered()));
            if text.contains(&line) {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert!(text.contains(&line), "{line}: {text}");
    }
}

#[tokio::test]
async fn a_command_that_fails_is_logged() {
    let parameters = format!("{ALWAYS}on_block_command=/bin/false");
    let world = FRAME.world(&parameters).await;
    for instance in [1, 2] {
        world.ask(&format!("instance={instance}")).await;
    }
    let line = "limit p: /bin/false: exit status: 1";
    let log = world.log_until(line).await;
    assert!(log.contains(line), "{log}");
}

#[tokio::test]
async fn no_more_than_4_notices_are_under_way() {
    // The system takes connections, and nobody answers them.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let line = "limit p: too many notices at once, one is left out";
    let world = FRAME
        .world(&format!("{ALWAYS}on_block_url=http://{address}/"))
        .await;
    for sender in 1..=5 {
        for instance in [1, 2] {
            let request = format!("instance={sender}.{instance} sender={sender}@x");
            world.ask(&request).await;
        }
        assert_eq!(world.log().contains(line), sender == 5, "{sender}");
    }
}

#[tokio::test(start_paused = true)]
async fn that_somebody_was_told_is_known_for_as_long_as_the_window() {
    let parameters = "limits=0/1m\ncount_at=RCPT\nkey=sender\naction=\"reject over\"\non_block_command=/nonexistent";
    let world = FRAME.world(parameters).await;
    world.ask("instance=1 sender=a@x").await;
    let store = world.config.connections.store("limits").unwrap();
    let store = store.get().await.unwrap();
    let told = key("limit-told", [&b"p"[..], b"sender", b"a@x"]);
    for (after, is_known) in [(0, true), (59, true), (2, false)] {
        advance(Duration::from_secs(after)).await;
        let found = store.get(&told).await.unwrap();
        assert_eq!(found.is_some(), is_known, "after {after} s");
    }
}
