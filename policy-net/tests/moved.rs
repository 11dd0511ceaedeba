//! Servers that are somewhere else than they were.

use std::{
    io::{Read, Write},
    os::unix::net::UnixListener,
    path::Path,
    thread,
};

use policy_net::{BackendConfig, Connector, Endpoint, Upstream, UpstreamOptions};
use policy_testing::pipe::{request, s};

#[tokio::test]
async fn a_unix_socket_that_was_bound_anew_is_asked_though_the_old_server_lives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy");
    serve(&path, "old");
    let connector = Connector::new(Endpoint::Unix(path.clone()));
    let backend = BackendConfig::new("mx1", connector);
    let upstream = Upstream::new(UpstreamOptions::default(), [backend]).unwrap();
    let ask = async || {
        let answer = upstream.ask(&request("1")).await.unwrap();
        answer.response.as_str().unwrap().to_owned()
    };
    assert_eq!(ask().await, "old");
    std::fs::remove_file(&path).unwrap();
    serve(&path, "new");
    assert_eq!(ask().await, "old", "it is not looked at each time");

    tokio::time::pause();
    tokio::time::advance(s(1)).await;
    tokio::time::resume();
    // The first request has it looked up, beside its own way.
    ask().await;
    while upstream.open(upstream.ids()[0]) > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask().await, "new");
}

/// A server that answers so, one connection after the other.
fn serve(path: &Path, answer: &'static str) {
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let mut read = [0; 4096];
            // The requests are small: each comes whole.
            while matches!(client.read(&mut read), Ok(1..)) {
                let answer = format!("action={answer}\n\n");
                client.write_all(answer.as_bytes()).unwrap();
            }
        }
    });
}
