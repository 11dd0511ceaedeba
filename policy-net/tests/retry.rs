//! What is put to another server, and what is not, since somebody may have acted on it.

mod support;

use std::time::Duration;

use policy_ha::{Backend, Preference};
use policy_net::{
    AttemptError, Connector, Endpoint, Listener, Retry, Service, Upstream, UpstreamOptions,
};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, task::JoinHandle};

use support::{Manner, Server, ask, errors, is_up, request, s, timed, upstream};

// What comes of each failure, over pipes

#[tokio::test(start_paused = true)]
async fn what_may_have_been_acted_on_is_asked_again_only_if_that_is_wanted() {
    for (manner, unsent) in [
        (Manner::Refuses, true),
        (Manner::BlackHole, true),
        (Manner::ClosesAtOnce, true),
        (Manner::ReadsNothing(16), true),
        (Manner::ReadsNothing(4096), false),
        (Manner::ClosesUnanswered, false),
        (Manner::Hangs, false),
        (Manner::Says(b"220 hello\n"), false),
        (Manner::Greets(b"220 hello\n"), false),
        (Manner::SaysAndCloses(b"action=DUN"), false),
        (Manner::Drips(b"action=DUNNO\n\n", s(1)), false),
    ] {
        for retry in [Retry::Always, Retry::Unsent] {
            let (first, second) = (Server::new(manner), Server::new(Manner::Answers));
            let upstream = upstream(with(retry), s(10), &[&first, &second]);
            let answered = ask(&upstream, 1).await;

            let again = unsent || retry == Retry::Always;
            assert_eq!(answered.is_ok(), again, "{manner:?} {retry:?}");
            assert_eq!(second.marks().len(), usize::from(again), "{manner:?}");
            if let Err(exhausted) = answered {
                assert_eq!(errors(&exhausted).len(), 1, "{manner:?}");
            }
            let first = upstream.ids().next().unwrap();
            assert!(
                !is_up(&upstream, first),
                "{manner:?} is blamed all the same"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_found_no_place_or_no_descriptor_was_not_sent() {
    let (full, live) = (Server::new(Manner::Hangs), Server::new(Manner::Answers));
    let mut options = with(Retry::Unsent);
    options.pool.max_connections = 1;
    let upstream = upstream(options, s(10), &[&full, &live]);
    let (hung, passed_on) = tokio::join!(ask(&upstream, 1), timed(ask(&upstream, 2)));
    assert!(hung.is_err());
    assert_eq!((passed_on.0.unwrap(), passed_on.1), (1, s(1)));

    full.becomes(Manner::OutOfDescriptors);
    tokio::time::advance(s(60)).await;
    assert_eq!(ask(&upstream, 3).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_that_was_closed_before_the_request_is_replaced() {
    let server = Server::new(Manner::Answers);
    let upstream = upstream(with(Retry::Unsent), s(10), &[&server]);
    for mark in 0..3 {
        ask(&upstream, mark).await.unwrap();
        server.hangs_up().await;
    }
    assert_eq!(server.connects(), 3);
    assert!(upstream.ids().all(|id| is_up(&upstream, id)));
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_that_may_have_been_read_is_not_replaced_and_nobody_is_blamed() {
    let (server, other) = (Server::new(Manner::Answers), Server::new(Manner::Answers));
    let upstream = upstream(with(Retry::Unsent), s(10), &[&server, &other]);
    ask(&upstream, 1).await.unwrap();

    server.becomes(Manner::ClosesUnanswered);
    let exhausted = ask(&upstream, 2).await.unwrap_err();
    assert!(matches!(errors(&exhausted)[..], [AttemptError::Closed]));
    assert_eq!((server.connects(), other.connects()), (1, 0));
    assert!(upstream.ids().all(|id| is_up(&upstream, id)));

    // On a new connection it would be no accident.
    ask(&upstream, 3).await.unwrap_err();
    assert!(!upstream.ids().all(|id| is_up(&upstream, id)));
}

// What the system says of real sockets

/// How a real server ends a connection: after it has read so many bytes of its last request.
#[derive(Clone, Copy, Debug)]
enum Reads {
    OneByte,
    All,
}

#[tokio::test]
async fn over_a_unix_socket_a_request_that_was_not_read_to_its_end_is_told_from_one_that_was() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Unix(directory.path().join("policy.sock"));
    for (reads, unsent) in [(Reads::OneByte, true), (Reads::All, false)] {
        for kept in [false, true] {
            let asked = Asked::new(&endpoint, Retry::Unsent, reads, kept).await;
            assert_eq!(asked.answered, unsent, "{reads:?} {kept}");
            // What was kept may be closed at any time; a new connection may not.
            assert_eq!(asked.is_up, kept, "{reads:?}");
        }
    }
}

#[tokio::test]
async fn over_tcp_a_reset_proves_nothing() {
    let endpoint: Endpoint = "inet:127.0.0.1:0".parse().unwrap();
    for reads in [Reads::OneByte, Reads::All] {
        for kept in [false, true] {
            let asked = Asked::new(&endpoint, Retry::Unsent, reads, kept).await;
            assert!(!asked.answered, "{reads:?} {kept}");
            let asked = Asked::new(&endpoint, Retry::Always, reads, kept).await;
            assert!(asked.answered, "{reads:?} {kept}");
        }
    }
}

/// What came of a request to a real server that closes while it reads it, with another in reserve.
struct Asked {
    answered: bool,
    is_up: bool,
}

impl Asked {
    async fn new(endpoint: &Endpoint, retry: Retry, reads: Reads, kept: bool) -> Self {
        let closes = Real::new(endpoint, reads, usize::from(kept)).await;
        let answers = Real::new(&"inet:127.0.0.1:0".parse().unwrap(), reads, usize::MAX).await;
        let services = (10..)
            .zip([&closes, &answers])
            .map(|(priority, real)| Service {
                connect: Connector::new(real.endpoint.clone()),
                backend: Backend::new(priority, 1),
                timeout: Duration::from_secs(60),
            });
        let upstream = Upstream::new(with(retry), services).unwrap();
        let ask = async |mark| upstream.ask(&request(mark), Preference::None, |_| {}).await;
        if kept {
            ask("warm").await.unwrap();
        }
        let answered = ask("asked").await.is_ok();
        let first = upstream.ids().next().unwrap();
        let is_up = upstream.status(first) == policy_ha::Status::Up;
        Self { answered, is_up }
    }
}

/// A real server that answers so many requests of its first connection, closes it in the next, and
/// answers on later ones.
struct Real {
    endpoint: Endpoint,
    serving: JoinHandle<()>,
}

impl Real {
    async fn new(endpoint: &Endpoint, reads: Reads, answers: usize) -> Self {
        if let Endpoint::Unix(path) = endpoint {
            _ = std::fs::remove_file(path);
        }
        let listener = Listener::bind(endpoint).await.unwrap();
        let endpoint = listener.endpoint().unwrap();
        let serving = tokio::spawn(async move {
            let mut answers = answers;
            loop {
                let mut stream = listener.accept().await.unwrap();
                let mut read = vec![0; 4096];
                loop {
                    let room = match (answers, reads) {
                        (0, Reads::OneByte) => 1,
                        _ => read.len(),
                    };
                    // The requests are small: each comes whole.
                    match stream.read(&mut read[..room]).await {
                        Ok(1..) if answers > 0 => {
                            answers -= 1;
                            stream.write_all(b"action=DUNNO\n\n").await.unwrap();
                        }
                        Ok(0) => break,
                        _ => {
                            answers = usize::MAX;
                            break;
                        }
                    }
                }
            }
        });
        Self { endpoint, serving }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn with(retry: Retry) -> UpstreamOptions {
    let mut options = UpstreamOptions::default();
    options.retry = retry;
    options
}
