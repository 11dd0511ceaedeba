//! Events of clients and their requests, for logs and counters.

use std::time::Duration;

use policy_proto::{DecodeError, Request, Response, SkippedLines};
use thiserror::Error;

use crate::{ClientId, Peer, Slot};

/// Why a client's connection has to end.
#[derive(Clone, Copy, Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The client sent something that is no request.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The client began a request and did not finish it in time.
    #[error("request not finished in time")]
    TooSlow,
    /// The client began a request and did not finish it within a second, while others waited for memory.
    #[error("request not finished while others wait for memory")]
    Displaced,
    /// The client did not read its reply in time.
    #[error("answer not read in time")]
    Unread,
    /// Its request has waited for memory for too long. That is no fault of the client's.
    #[error("no memory for the request in time")]
    NoMemory,
}

/// What a client waited for, or was waited for, when it lost its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Waiting {
    /// It was between two requests.
    Idle,
    /// It had begun a request.
    Rest,
}

/// What happens to clients and their requests.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientEvent<'a> {
    /// Lines of a request were no attributes, and are left out.
    SkippedLines(&'a SkippedLines),
    /// A request has come whole, and whether it is one for a policy server.
    #[non_exhaustive]
    Request {
        /// Whose.
        client: ClientId,
        /// What is asked.
        request: &'a Request,
        /// It is a request of Postfix's policy protocol.
        is_policy: bool,
    },
    /// A request is replied to.
    #[non_exhaustive]
    Replied {
        /// Whose.
        client: ClientId,
        /// What was asked.
        request: &'a Request,
        /// Since it came whole.
        took: Duration,
        /// The group of backends that it was put to, by its index; above all of them for what is no request for them.
        group: usize,
        /// Who answered; `None` if it is the default action.
        answered: Option<Slot>,
        /// A bit for each [`Slot`] below 64 that was asked and did not answer.
        failed: u64,
        /// The reply; `None` where the connection is closed instead.
        response: Option<&'a Response>,
    },
    /// A connection is closed for what its client did.
    #[non_exhaustive]
    Refused {
        /// Whose.
        client: ClientId,
        /// Who it is.
        peer: Peer,
        /// Why; `None` where a first line is that of another protocol.
        error: Option<&'a ClientError>,
        /// What has come and is no request yet.
        received: &'a [u8],
    },
    /// A client loses its place to another one.
    #[non_exhaustive]
    Evicted {
        /// Which.
        client: ClientId,
        /// Who it is.
        peer: Peer,
        /// What it waited for.
        waiting: Waiting,
        /// For how long.
        time: Duration,
    },
    /// Requests have begun to wait for memory.
    MemoryUsedUp,
}
