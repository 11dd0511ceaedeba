//! The failures after which a request may be asked again.

/// Whether a request that one server has failed is put to the next, if the first may have acted on
/// it.
///
/// A policy server may count what it is asked: a quota of recipients, a rate, a greylist's first
/// sight. Asked twice, two of them may count one mail twice, or one of them may if they share their
/// state. An answer that is not given is worse for most, so [`Always`](Self::Always) is the default.
///
/// # What can be known
///
/// A server acts on a request when it has read the request's last byte, the empty line: before that
/// it is not complete. The bytes of a connection are read in order. So a request is *unsent* where it
/// is certain that its last byte was not read. This is what can be told from here:
///
/// | what happened | unsent? | because |
/// | --- | --- | --- |
/// | no free connection, none could be opened, its name not resolved | yes | there is nobody who could have read it |
/// | a kept connection has ended, or brought bytes, before the request is written | yes | it is closed instead, and nothing was written |
/// | the system did not take the whole request: writing failed, or the time was over | yes | the rest is still here |
/// | over a UNIX socket, reading fails with `ECONNRESET` (Linux) | yes | the system says so if, and only if, the other side was closed with bytes unread, and then the last one is among them |
/// | over TCP, reading fails with `ECONNRESET` | no | as a rule it means the same, but also: a server that closes with `SO_LINGER` 0 after it has read, a load balancer or a firewall in between, a machine that was restarted |
/// | the connection is closed in order, without an answer | no | it may have been closed before the request came, or by a server that has read it and died |
/// | no answer in time | no | it may be the answer that is late |
/// | something that is no answer, a part of one, or an answer that is not [allowed](crate::BackendConfig::accepts) | no | a server that speaks has read |
///
/// That TCP has acknowledged a request says nothing: the system does so, and keeps it for a server
/// that may never read it.
///
/// ```
/// use policy_flow::{Retry, UpstreamOptions};
///
/// let mut options = UpstreamOptions::default();
/// assert_eq!(options.retry, Retry::Always);
/// options.retry = Retry::Unsent;
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Retry {
    /// Each server in turn, until one has answered. As the Perl script hapolicy does.
    #[default]
    Always,
    /// Only what is certainly unsent, by the table above, is put to another server, or sent again
    /// over a new connection. What may have been read gets no answer.
    Unsent,
}
