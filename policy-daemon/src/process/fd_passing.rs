//! Sends and receives descriptors over UNIX sockets.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd},
};

use rustix::{
    cmsg_space,
    io::retry_on_intr,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg, sockopt::set_socket_linger,
    },
};

pub use super::received::ReceivedSocket;

/// Sends a text with at most [`MAX_FDS`] descriptors over a socket that keeps messages apart.
///
/// # Errors
///
/// Errors of the system; `InvalidInput` for more descriptors.
pub fn send(socket: impl AsFd, text: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_FDS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if descriptors.len() > MAX_FDS {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if !descriptors.is_empty() {
        // There is room for them.
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let text = [IoSlice::new(text)];
    // A bounded wait is interrupted when the process is stopped and continued (signal(7)).
    retry_on_intr(|| sendmsg(&socket, &text, &mut ancillary, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Receives a message; an empty text is the end of the connection. Descriptors that are no sockets are closed apart.
///
/// # Errors
///
/// Errors of the system; `InvalidData` for a longer text than any that is sent.
pub fn receive(socket: impl AsFd) -> io::Result<Received> {
    receive_with(socket, RecvFlags::empty())
}

/// Receives a message without waiting: `WouldBlock` where none has come.
pub(crate) fn receive_at_once(socket: impl AsFd) -> io::Result<Received> {
    // Another process that has the socket can change whether it blocks.
    receive_with(socket, RecvFlags::DONTWAIT)
}

fn receive_with(socket: impl AsFd, flags: RecvFlags) -> io::Result<Received> {
    let mut text = vec![0; MAX_TEXT];
    // Room for as many as can come: the system would close the others, on this thread.
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(SCM_MAX_FD))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let slices = &mut [IoSliceMut::new(&mut text)];
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let received = retry_on_intr(|| recvmsg(&socket, slices, &mut ancillary, flags))?;
    let descriptors = ancillary.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
        _ => Vec::new(),
    });
    // Only sockets are ever passed, and none that lingers.
    let is_socket = |sent: &ReceivedSocket| {
        let socket = sent.get();
        socket.is_ok_and(|socket| set_socket_linger(socket, None).is_ok())
    };
    let sockets = descriptors
        .map(ReceivedSocket::from)
        .filter(is_socket)
        .collect();
    if received
        .flags
        .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
    {
        return Err(io::ErrorKind::InvalidData.into());
    }
    text.truncate(received.bytes);
    Ok((text, sockets))
}

/// A text, and the sockets that came with it.
pub type Received = (Vec<u8>, Vec<ReceivedSocket>);

/// Descriptors of one message: fewer than the system allows.
pub const MAX_FDS: usize = 128;
/// Descriptors that the system lets any process send at once.
const SCM_MAX_FD: usize = 253;
/// An address with a path, and some words.
const MAX_TEXT: usize = 1024;

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::fd::OwnedFd,
        os::unix::net::UnixStream,
    };

    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn descriptors_arrive_with_their_text_and_work() {
        let (near, far) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        let pairs: Vec<_> = (0..MAX_FDS).map(|_| UnixStream::pair().unwrap()).collect();
        let sent: Vec<_> = pairs.iter().map(|(one, _)| one.as_fd()).collect();
        send(&near, b"two texts", &sent).unwrap();
        send(&near, b"of their own", &[]).unwrap();
        let (text, received) = receive(&far).unwrap();
        assert_eq!((&*text, received.len()), (&b"two texts"[..], MAX_FDS));
        for (number, (fd, (_, other))) in received.into_iter().zip(&pairs).enumerate() {
            let fd = OwnedFd::from(fd.keep().unwrap());
            UnixStream::from(fd).write_all(&[number as u8]).unwrap();
            let mut byte = [0];
            (&*other).read_exact(&mut byte).unwrap();
            assert_eq!(byte, [number as u8]);
        }
        assert_eq!(receive(&far).unwrap().0, b"of their own");
        drop(near);
        assert!(receive(&far).unwrap().0.is_empty(), "the end");
    }

    /// The system would close further ones on the receiving thread, which can take as long as their owner wants.
    #[test]
    fn as_many_as_the_system_allows_arrive() {
        let (near, far) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        let all = vec![near.as_fd(); SCM_MAX_FD];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(SCM_MAX_FD + 1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&all)));
        let text = [IoSlice::new(b"x")];
        sendmsg(&near, &text, &mut ancillary, SendFlags::empty()).unwrap();
        assert_eq!(receive(&far).unwrap().1.len(), SCM_MAX_FD);
        let more = vec![near.as_fd(); SCM_MAX_FD + 1];
        ancillary.clear();
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&more)));
        let sent = sendmsg(&near, &text, &mut ancillary, SendFlags::empty());
        assert!(sent.is_err(), "more cannot be sent");
    }

    /// Such bytes would be lost, with the descriptors that come with them.
    #[test]
    fn there_are_no_bytes_out_of_band() {
        let (near, _far) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        let sent = near.send_out_of_band(b"x");
        assert!(sent.is_err());
    }

    #[test]
    fn what_is_not_waited_for_is_said_not_to_have_come() {
        let (_near, far) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        let error = receive_at_once(&far).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn too_many_descriptors_are_an_error() {
        let (near, _far) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        assert!(send(&near, b"x", &vec![near.as_fd(); MAX_FDS + 1]).is_err());
    }
}
