//! A UNIX stream socket with room and without, and with descriptors that nobody asked for.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::*;

fn pair() -> (UnixStream, UnixStream) {
    let (near, far) = net::UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    let near = UnixStream::from_std(near).unwrap();
    (near, UnixStream::from_std(far).unwrap())
}

#[tokio::test]
async fn what_does_not_fit_is_written_when_the_other_side_has_read() {
    let (mut near, mut far) = pair();
    // More than the system keeps for one socket, also where that has been raised.
    let sent: Vec<u8> = (0..20_000_000_u32).map(|number| number as u8).collect();
    let copy = sent.clone();
    let writer = tokio::spawn(async move {
        near.write_all(&copy).await.unwrap();
        assert!(
            near.room.is_none(),
            "asked for no longer than there was none"
        );
        near.read_u8().await.unwrap()
    });
    let mut came = vec![0; sent.len()];
    far.read_exact(&mut came).await.unwrap();
    assert!(came == sent);
    far.write_all(b"x").await.unwrap();
    assert_eq!(writer.await.unwrap(), b'x');
}

#[tokio::test]
async fn who_waits_to_read_waits_on_while_another_waits_for_room() {
    let (near, far) = pair();
    // It reads on only when what it has read is taken back.
    let echo = tokio::spawn(async move {
        let (mut from, mut to) = tokio::io::split(far);
        tokio::io::copy(&mut from, &mut to).await.unwrap();
    });
    let (mut from, mut to) = tokio::io::split(near);
    let sent = vec![b'x'; 5_000_000];
    let reader = tokio::spawn({
        let mut came = vec![0; sent.len()];
        async move { from.read_exact(&mut came).await.unwrap() }
    });
    // It is waiting when the first write is made.
    tokio::task::yield_now().await;
    to.write_all(&sent).await.unwrap();
    assert_eq!(reader.await.unwrap(), sent.len());
    to.shutdown().await.unwrap();
    echo.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_socket_without_room_can_be_given_to_another() {
    let (mut near, mut far) = pair();
    let full = async {
        loop {
            near.write_all(&[b'x'; 4096]).await.unwrap();
        }
    };
    assert!(timeout(Duration::from_millis(50), full).await.is_err());
    assert!(near.room.is_some());
    drop(UnixStream::from_std(near.into_std().unwrap()).unwrap());
    let mut came = Vec::new();
    far.read_to_end(&mut came).await.unwrap();
    assert!(came.iter().all(|byte| *byte == b'x'), "and closed at once");
}

#[tokio::test]
async fn a_writer_that_always_has_room_lets_others_have_their_turn() {
    let (mut near, _far) = pair();
    let other = tokio::spawn(async {});
    for _ in 0..1000 {
        assert_eq!(near.write(b"").await.unwrap(), 0);
    }
    assert!(other.is_finished());
}

#[tokio::test]
async fn the_end_is_read_as_often_as_is_asked_and_a_write_then_is_an_error() {
    let (mut near, mut far) = pair();
    far.write_all(b"last").await.unwrap();
    far.shutdown().await.unwrap();
    let mut came = Vec::new();
    near.read_to_end(&mut came).await.unwrap();
    assert_eq!(came, b"last");
    assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 0);
    near.write_all(b"still open").await.unwrap();
    drop(far);
    let error = near.write_all(b"x").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_read_waits_for_what_is_not_there_yet() {
    let (mut near, mut far) = pair();
    let reader = tokio::spawn(async move {
        let mut bytes = [0; 6];
        // In parts, whether these fill what was asked for or not.
        for part in bytes.chunks_mut(2) {
            near.read_exact(part).await.unwrap();
        }
        bytes
    });
    for part in [&b"a"[..], b"bcd", b"ef"] {
        tokio::task::yield_now().await;
        far.write_all(part).await.unwrap();
    }
    assert_eq!(&reader.await.unwrap(), b"abcdef");
}

/// The far end of a UNIX socket over which one byte has been sent with descriptors, of which the last one is
/// a connection that lingers: who closes it waits until its peer has read, or for 30 s.
fn with_descriptors(number: usize) -> (UnixStream, net::UnixStream, std::net::TcpStream) {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, sendmsg, sockopt};
    use std::{io::IoSlice, net::TcpListener};

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let lingering = net_tcp(&listener);
    let (reader, _) = listener.accept().unwrap();
    lingering.set_nonblocking(true).unwrap();
    while io::Write::write(&mut &lingering, &[0; 65_536]).is_ok() {}
    let linger = Some(Duration::from_secs(30));
    sockopt::set_socket_linger(&lingering, linger).unwrap();
    let (near, far) = net::UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    let all = vec![lingering.as_fd(); number];
    let mut space = vec![MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&all)));
    let text = [IoSlice::new(b"x")];
    sendmsg(&far, &text, &mut ancillary, SendFlags::empty()).unwrap();
    (UnixStream::from_std(near).unwrap(), far, reader)
}

fn net_tcp(listener: &std::net::TcpListener) -> std::net::TcpStream {
    std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap()
}

/// Without it each of these waits for 30 s.
#[tokio::test]
async fn descriptors_that_a_peer_sends_are_an_error_and_hold_nobody_up() {
    for number in [1, MAX_DESCRIPTORS] {
        let begin = tokio::time::Instant::now();
        let (mut near, _far, _reader) = with_descriptors(number);
        let error = near.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        drop(near);
        // Nor where nobody has read them.
        let (near, mut far, _reader) = with_descriptors(number);
        drop(near);
        assert!(io::Write::write(&mut far, b"x").is_err(), "it is closed");
        assert!(begin.elapsed() < Duration::from_secs(20), "of 30 s each");
    }
}
