//! Has the system refuse descriptors that a peer sends over a UNIX socket, from Linux 6.16 on (SO_PASSRIGHTS).
//!
//! A received descriptor has to be closed, and the owner of its file decides how long that takes. Where the system refuses
//! descriptors (the peer's `sendmsg` fails with `EPERM`), none arrives, and a socket can be read without room for any,
//! which saves a tenth of a request.

use std::os::fd::AsFd;

/// Has the system refuse descriptors on this socket, and on those that are accepted from it; returns whether it does.
/// Descriptors that have arrived before stay. No system but Linux can.
pub fn refuse_rights(socket: &impl AsFd) -> bool {
    #[cfg(target_os = "linux")]
    return nix::sys::socket::setsockopt(socket, option::PassRights, &false).is_ok();
    #[cfg(not(target_os = "linux"))]
    {
        _ = socket;
        false
    }
}

/// Whether the system refuses descriptors on this socket. For a socket that this process has made, and no other process
/// has had, none has ever come then.
pub fn refuses_rights(socket: &impl AsFd) -> bool {
    #[cfg(target_os = "linux")]
    return nix::sys::socket::getsockopt(socket, option::PassRights) == Ok(false);
    #[cfg(not(target_os = "linux"))]
    {
        _ = socket;
        false
    }
}

#[cfg(target_os = "linux")]
#[allow(
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    reason = "the macro's"
)]
mod option {
    use nix::{
        getsockopt_impl,
        libc::{self, SOL_SOCKET, c_int},
        setsockopt_impl, sockopt_impl,
    };

    sockopt_impl!(PassRights, Both, SOL_SOCKET, SO_PASSRIGHTS, bool);

    /// From `asm-generic/socket.h`.
    const SO_PASSRIGHTS: c_int = if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) {
        0x5c
    } else {
        83
    };
}

#[cfg(test)]
mod tests {
    use std::{
        io::IoSlice,
        mem::MaybeUninit,
        os::unix::net::{UnixListener, UnixStream},
    };

    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    use super::*;

    #[test]
    fn where_the_system_can_refuse_descriptors_none_can_be_sent() {
        let (near, far) = UnixStream::pair().unwrap();
        let refuses = refuse_rights(&near);
        let descriptors = [far.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
        let bytes = [IoSlice::new(b"x")];
        let sent = sendmsg(&far, &bytes, &mut ancillary, SendFlags::empty());
        assert_eq!(sent.is_err(), refuses, "{sent:?}");
        assert_eq!(refuses_rights(&near), refuses);
        assert!(!refuses_rights(&far));
    }

    #[test]
    fn what_is_accepted_is_as_the_socket_that_listens() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let refuses = refuse_rights(&listener);
        let _client = UnixStream::connect(&path).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert_eq!(refuses_rights(&accepted), refuses);
    }
}
