//! Failures as the system tells them of real sockets.

use std::time::Duration;

use policy_ha::Status;
use policy_net::{BackendConfig, Connector, Endpoint, Listener, Retry, Upstream};
use policy_testing::pipe::request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
};

use crate::with;

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
            let by = match (unsent, kept) {
                (false, _) => None,
                (true, false) => Some(1),
                (true, true) => Some(0),
            };
            assert_eq!(asked.answered_by, by, "{reads:?} {kept}");
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
            assert_eq!(asked.answered_by, None, "{reads:?} {kept}");
            let asked = Asked::new(&endpoint, Retry::Always, reads, kept).await;
            let by = if kept { 0 } else { 1 };
            assert_eq!(asked.answered_by, Some(by), "{reads:?} {kept}");
        }
    }
}

/// What came of a request to a real server that closes while it reads it, with another in reserve.
struct Asked {
    answered_by: Option<usize>,
    is_up: bool,
}

impl Asked {
    async fn new(endpoint: &Endpoint, retry: Retry, reads: Reads, kept: bool) -> Self {
        let closes = Real::new(endpoint, reads, usize::from(kept)).await;
        let answers = Real::new(&"inet:127.0.0.1:0".parse().unwrap(), reads, usize::MAX).await;
        let services = (10..).zip([&closes, &answers]).map(|(priority, real)| {
            let connector = Connector::new(real.endpoint.clone());
            BackendConfig::new(format!("mx{priority}"), connector)
                .priority(priority)
                .timeout(Duration::from_secs(60))
        });
        let upstream = Upstream::new(with(retry), services).unwrap();
        let ask = async |mark| upstream.ask(&request(mark)).await;
        if kept {
            ask("warm").await.unwrap();
        }
        let answer = ask("asked").await;
        let answered_by = answer.ok().map(|answer| answer.backend.index());
        let first = upstream.ids()[0];
        let is_up = upstream.status(first) == Some(Status::Up);
        Self { answered_by, is_up }
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
                let (mut stream, _) = listener.accept().await.unwrap();
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
