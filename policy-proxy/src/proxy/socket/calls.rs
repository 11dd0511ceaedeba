//! System calls on a connected socket, none of which waits.

use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::fd::OwnedFd,
};

use policy_socket::close_apart;
use rustix::{
    cmsg_space,
    io::{Errno, retry_on_intr},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recv, recvmsg, send},
};

/// Reads into `room`: how many bytes.
pub(super) fn read(socket: &OwnedFd, room: &mut [u8]) -> rustix::io::Result<usize> {
    let (_, count) = retry_on_intr(|| recv(socket, &mut *room, RecvFlags::DONTWAIT))?;
    Ok(count)
}

/// Looks at the next byte, which stays: 0 is the end.
pub(super) fn peek(socket: &OwnedFd) -> rustix::io::Result<usize> {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    let (_, count) = retry_on_intr(|| recv(socket, &mut [0; 1], flags))?;
    Ok(count)
}

/// Reads as [`read`] does, and has descriptors closed that were sent: with room for as many as can come at once, or the system would
/// close the others here.
pub(super) fn receive(socket: &OwnedFd, room: &mut [u8]) -> rustix::io::Result<Option<usize>> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let slices = &mut [IoSliceMut::new(room)];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = retry_on_intr(|| recvmsg(socket, slices, &mut ancillary, flags))?;
    let mut sent = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            sent.extend(descriptors);
        }
    }
    if sent.is_empty() {
        return Ok(Some(received.bytes));
    }
    close_apart(sent);
    Ok(None)
}

/// How much the system has taken.
pub(super) fn write(socket: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    // A process that writes to a peer that has gone is to get an error, not a signal.
    match retry_on_intr(|| send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)) {
        Err(Errno::AGAIN) => Ok(0),
        sent => Ok(sent?),
    }
}

/// `SCM_MAX_FD` of Linux.
const MAX_DESCRIPTORS: usize = 253;
