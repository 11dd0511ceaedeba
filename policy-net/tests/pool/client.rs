//! One connection, without a pool.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use policy_net::{Address, AttemptError, Client, Connect};
use policy_testing::pipe::{Manner, Server, request, s};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufStream, ReadBuf, duplex},
    task::coop,
    time::{sleep, timeout},
};

#[tokio::test]
async fn a_task_that_has_used_up_its_budget_still_sees_that_a_connection_is_dead() {
    // tokio then lets every read of the task wait for its next turn.
    let (near, mut far) = duplex(4096);
    let mut client = Client::new(near);
    far.write_all(b"action=OK\n\n").await.unwrap();
    client.ask(&request("a")).await.unwrap();
    assert!(client.settle().await);
    far.write_all(b"action=never asked for\n\n").await.unwrap();
    while coop::has_budget_remaining() {
        coop::consume_budget().await;
    }
    assert!(!client.settle().await);
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_request_was_given_up_takes_no_other() {
    let server = Server::new(Manner::AnswersAfter(s(2)));
    let mut client = Client::new(server.connect_to(Address::Other(0)).await.unwrap());
    timeout(s(1), client.ask(&request("a"))).await.unwrap_err();
    assert!(!client.settle().await);
    sleep(s(10)).await;
    assert!(matches!(
        client.ask(&request("b")).await,
        Err(AttemptError::Io(_))
    ));
    assert_eq!(server.marks(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_does_not_stay_in_a_buffer() {
    let server = Server::new(Manner::Answers);
    let buffered = BufStream::new(server.connect_to(Address::Other(0)).await.unwrap());
    let mut client = Client::new(buffered);
    let answer = timeout(s(10), client.ask(&request("a"))).await.unwrap();
    assert_eq!(answer.unwrap().as_str(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_request_for_which_this_side_has_run_out_of_something_fails_at_once_and_blames_nobody() {
    let mut client = Client::new(OutOfDescriptors);
    let asked = timeout(s(60), client.ask(&request(1))).await;
    let error = asked.expect("no answer is waited for").unwrap_err();
    assert!(matches!(error, AttemptError::LocalIo(_)), "{error:?}");
    assert!(!error.blames_backend());
}

/// Nothing can be sent over it, and nothing comes.
struct OutOfDescriptors;

impl AsyncRead for OutOfDescriptors {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for OutOfDescriptors {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        let too_many_open_files = io::Error::from_raw_os_error(24);
        Poll::Ready(Err(too_many_open_files))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
