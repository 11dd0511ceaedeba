//! The user who has made a socket.

use std::os::fd::AsFd;

use rustix::{fs::fstat, process::geteuid};

/// The users whose processes and sockets are trusted at the start: root, and the user who starts this process.
///
/// A daemon that root has started may become another user, but only root starts its successor.
pub(crate) fn trusted_uids() -> Vec<u32> {
    let mut trusted = vec![0, geteuid().as_raw()];
    trusted.dedup();
    trusted
}

/// Whether one of these users has made this socket. The system notes the maker in the socket's inode, and nothing changes
/// that later. An attacker who controls a daemon without privileges can pass on sockets of its own, but none of another
/// user's that it was not given.
pub(crate) fn is_made_by(socket: impl AsFd, users: &[u32]) -> bool {
    fstat(socket).is_ok_and(|found| users.contains(&found.st_uid))
}

/// Whether a test runs as root; says so where it does not.
#[cfg(test)]
pub(crate) fn is_root() -> bool {
    let is_root = geteuid().is_root();
    if !is_root {
        println!("SKIPPED: needs root");
    }
    is_root
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_socket_belongs_to_its_maker() {
        let (socket, _other) = UnixStream::pair().unwrap();
        let own = geteuid().as_raw();
        assert!(trusted_uids().contains(&own));
        assert!(is_made_by(&socket, &[own + 1, own]));
        assert!(!is_made_by(&socket, &[own + 1]));
        // As /etc/passwd is root's: that it is a socket is for others to know.
        assert!(is_made_by(std::fs::File::open("/").unwrap(), &[0]));
    }
}
