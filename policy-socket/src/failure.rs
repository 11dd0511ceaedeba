//! Failures of the system, and what they say about the peer.

use std::io;

use rustix::io::Errno;

/// Whether this process or this machine has run out of descriptors or memory: the failure says nothing about the peer.
///
/// ```
/// let error = std::io::Error::from_raw_os_error(24); // EMFILE
/// assert!(policy_socket::is_local(&error));
/// assert!(!policy_socket::is_local(&std::io::ErrorKind::ConnectionRefused.into()));
/// ```
#[must_use]
pub fn is_local(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| LOCAL.contains(&errno))
}

/// Whether a failure of a UNIX socket says that the peer has closed it with bytes left unread. Linux reports
/// `ECONNRESET` for that and for nothing else (`unix_release_sock` in `net/unix/af_unix.c`).
#[must_use]
pub fn is_unread(error: &io::Error) -> bool {
    cfg!(target_os = "linux") && Errno::from_io_error(error) == Some(Errno::CONNRESET)
}

/// Each is about this process or this machine.
const LOCAL: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_that_have_run_out_here_say_nothing_about_the_peer() {
        for errno in LOCAL {
            assert!(is_local(&errno.into()), "{errno}");
        }
        for errno in [
            Errno::CONNREFUSED,
            Errno::NOENT,
            Errno::ACCESS,
            Errno::HOSTUNREACH,
        ] {
            assert!(!is_local(&errno.into()), "{errno}");
        }
        assert!(!is_local(&io::ErrorKind::NotFound.into()));
    }

    #[test]
    fn a_reset_unix_socket_has_unread_bytes_on_linux() {
        assert_eq!(
            is_unread(&Errno::CONNRESET.into()),
            cfg!(target_os = "linux")
        );
        assert!(!is_unread(&Errno::PIPE.into()));
    }
}
