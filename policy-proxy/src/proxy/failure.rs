//! Failures of a connection: those of the backend, and those of this process.

use std::{fs::File, io};

use policy_flow::Failure;
use policy_socket::{is_local, is_unread};

/// The failure, where nothing was read or sent yet.
pub(crate) fn of_connecting(error: io::Error) -> Failure {
    if is_local(&error) {
        Failure::Local(error)
    } else {
        Failure::Peer(error)
    }
}

/// The failure of a connection.
pub(crate) fn of_connection(error: io::Error, is_unix: bool) -> Failure {
    if is_unix && is_unread(&error) {
        Failure::Unread(error)
    } else {
        of_connecting(error)
    }
}

/// Why a look-up has failed.
pub(crate) fn of_look_up(error: io::Error) -> Failure {
    // A resolver that cannot open its files says that there is no such name.
    let exhausted = File::open("/").err().filter(is_local);
    match exhausted {
        Some(exhausted) => Failure::Local(exhausted),
        None => of_connecting(error),
    }
}

/// No thread could be started, and so nobody has been asked.
pub(crate) fn no_thread(name: &str, error: &io::Error) -> Failure {
    let text = format!("no thread to look up '{name}': {error}");
    Failure::Local(io::Error::new(error.kind(), text))
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn what_this_side_has_run_out_of_is_no_failure_of_the_peer() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            for is_unix in [false, true] {
                let failure = of_connection(errno.into(), is_unix);
                assert!(matches!(failure, Failure::Local(_)), "{failure:?}");
            }
        }
        for errno in [
            Errno::CONNREFUSED,
            Errno::NOENT,
            Errno::ACCESS,
            Errno::HOSTUNREACH,
        ] {
            let failure = of_connecting(errno.into());
            assert!(matches!(failure, Failure::Peer(_)), "{failure:?}");
        }
    }

    #[test]
    fn a_unix_socket_says_that_its_peer_has_left_bytes_unread() {
        let is_unread = |is_unix| {
            let failure = of_connection(Errno::CONNRESET.into(), is_unix);
            matches!(failure, Failure::Unread(_))
        };
        assert_eq!(is_unread(true), cfg!(target_os = "linux"));
        assert!(!is_unread(false));
    }

    #[test]
    fn a_thread_that_cannot_be_started_is_this_side_s_failure() {
        let failure = no_thread("policy.example", &Errno::AGAIN.into());
        let Failure::Local(error) = failure else {
            panic!("{failure:?}");
        };
        assert_eq!(
            error.to_string(),
            "no thread to look up 'policy.example': Resource temporarily unavailable (os error 11)"
        );
    }
}
