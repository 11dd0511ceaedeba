//! Failures of a connection: those of the peer, and those of this side.

use std::io;

use policy_flow::Failure;
use policy_socket::is_local;

use super::{Connect, resolver::NoThread};

/// The failure that an error of a connection means.
pub(crate) fn failure(error: io::Error, connect: &impl Connect) -> Failure {
    match (is_ours(&error), connect.left_unread(&error)) {
        (true, _) => Failure::Local(error),
        (false, true) => Failure::Unread(error),
        (false, false) => Failure::Peer(error),
    }
}

/// Whether this side has run out of something.
pub(crate) fn is_ours(error: &io::Error) -> bool {
    let no_thread = error.get_ref().is_some_and(|error| error.is::<NoThread>());
    no_thread || is_local(error)
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn what_this_side_has_run_out_of_is_no_peers_failure() {
        assert!(is_ours(&Errno::MFILE.into()));
        let error = NoThread::error("policy.example", io::Error::from(Errno::AGAIN));
        assert_eq!(
            error.to_string(),
            "no thread to look up 'policy.example': Resource temporarily unavailable (os error 11)"
        );
        assert!(is_ours(&error));
        for errno in [
            Errno::CONNREFUSED,
            Errno::NOENT,
            Errno::ACCESS,
            Errno::HOSTUNREACH,
        ] {
            assert!(!is_ours(&errno.into()), "{errno}");
        }
    }
}
