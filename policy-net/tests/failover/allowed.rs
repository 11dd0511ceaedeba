//! Servers that may not answer with every action.

use policy_net::{Attempt, AttemptError, Event, Retry, UpstreamOptions};
use policy_testing::pipe::{Manner, Server, is_up, request, s, timed, upstream_of};

use crate::id;

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_allowed_is_passed_to_nobody_and_the_next_server_is_asked() {
    for (says, allowed, second_asked) in [
        (
            &b"action=REDIRECT thief@example.com\n\n"[..],
            "ok,reject",
            true,
        ),
        (b"action=greylist, permit\n\n", "greylist", true),
        (b"action=450\n\n", "4xx", true),
        (b"action=Reject go away\n\n", "ok,reject", false),
        (b"action=greylist, permit\n\n", "greylist,permit", false),
    ] {
        let (first, second) = (
            Server::new(Manner::Says(says)),
            Server::new(Manner::Answers),
        );
        let servers = [(&first, Some(allowed)), (&second, None)];
        let upstream = upstream_of(UpstreamOptions::default(), s(10), servers);
        let mut told = Vec::new();
        let on_event = |event: Event| match event {
            Event::Answered { response, .. } => told.push(format!("{response:?}")),
            Event::Failed { error, .. } => told.push(error.to_string()),
            _ => {}
        };
        let request = request("mark");
        let (answer, took) = timed(upstream.ask_with(&request, None, on_event)).await;
        let shown = says.escape_ascii();
        assert_eq!(answer.unwrap().backend == id(1), second_asked, "{shown}");
        assert_eq!(took, s(0), "{shown}");
        assert_eq!(is_up(&upstream, id(0)), !second_asked, "{shown}");
        if second_asked {
            assert_eq!(
                told,
                ["answer not allowed", "Response(\"mark\")"],
                "{shown}"
            );
            let counts = upstream.counts(id(0));
            assert_eq!((counts.answered, counts.failed), (0, 1), "{shown}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_connection_of_an_answer_that_is_not_allowed_is_used_on() {
    let server = Server::new(Manner::Says(b"action=DISCARD\n\n"));
    let upstream = upstream_of(
        UpstreamOptions::default(),
        s(10),
        [(&server, Some("dunno"))],
    );
    let request = request("mark");
    let ask = || upstream.ask(&request);
    ask().await.unwrap_err();
    assert_eq!(server.open(), 1, "it is kept");
    // One that is down is asked over a new connection.
    server.becomes(Manner::Says(b"action=DUNNO\n\n"));
    ask().await.unwrap();
    assert_eq!(server.open(), 2);
    let both = [ask(), ask()].map(Box::pin);
    let [first, second] = both;
    let answered = tokio::join!(first, second);
    assert!(answered.0.is_ok() && answered.1.is_ok());
    let mut connections: Vec<_> = server.seen().iter().map(|(number, _)| *number).collect();
    connections.sort_unstable();
    assert_eq!(connections, [1, 1, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_allowed_shows_that_the_request_was_read() {
    let (first, second) = (
        Server::new(Manner::Says(b"action=DISCARD\n\n")),
        Server::new(Manner::Answers),
    );
    let mut options = UpstreamOptions::default();
    options.retry = Retry::Unsent;
    let upstream = upstream_of(options, s(10), [(&first, Some("dunno")), (&second, None)]);
    let request = request("mark");
    let exhausted = upstream.ask(&request).await;
    assert_eq!(exhausted.unwrap_err().attempts.len(), 1);
    assert_eq!(second.marks().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_error_quotes_no_more_than_a_part_of_a_long_answer() {
    let says: &[u8] =
        Box::leak(format!("action=DISCARD {}\n\n", "x".repeat(9000)).into_boxed_str()).as_bytes();
    let server = Server::new(Manner::Says(says));
    let upstream = upstream_of(
        UpstreamOptions::default(),
        s(10),
        [(&server, Some("dunno"))],
    );
    let exhausted = upstream.ask(&request("mark")).await;
    match &exhausted.unwrap_err().attempts[..] {
        [
            Attempt {
                error: AttemptError::NotAllowed { action, .. },
                ..
            },
        ] => {
            assert_eq!(action[..], says[b"action=".len()..][..512]);
        }
        attempts => panic!("{attempts:?}"),
    }
}
