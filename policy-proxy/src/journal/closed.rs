//! Lines about client connections that are closed, with the reason.

use policy_daemon::log::Level;
use policy_flow::{ClientError, Peer};
use policy_proto::DecodeError;

use crate::journal::{
    ALL, Journal,
    admission::Name,
    foreign::{foreign_begin, foreign_protocol},
};

impl Journal {
    /// A client's connection is closed for what it has sent, `received`, or since it sends too slowly. Those of one kind
    /// are said together where they repeat. `is_lenient` where there is one client only, whose requests are answered
    /// whatever they look like.
    pub(crate) fn refused(
        &self,
        peer: Option<Peer>,
        error: Option<&ClientError>,
        received: &[u8],
        is_lenient: bool,
    ) {
        let foreign = match error {
            None => Some(foreign_begin(received)),
            Some(_) => foreign_protocol(received),
        };
        let why = match (foreign, error) {
            (_, Some(ClientError::NoMemory)) => {
                "its request has waited for memory for as long as --deadline allows (--max-memory)"
                    .to_owned()
            }
            (_, Some(ClientError::Unread)) => {
                "it did not read its answer in time (--request-timeout)".to_owned()
            }
            (_, Some(ClientError::Displaced)) => {
                "its request is not finished, and others wait for memory (--max-memory)".to_owned()
            }
            (Some(protocol), _) if !is_lenient => {
                format!("{protocol} instead of a policy request")
            }
            // A client that goes away in the middle of a request needs no line in a log.
            (_, None | Some(ClientError::Decode(DecodeError::UnexpectedEnd))) => return,
            (_, Some(ClientError::Decode(error))) if error.offset().is_some() => {
                format!("a line is no attribute of a policy request: {error}")
            }
            (_, Some(error)) => error.to_string(),
        };
        let kind = match error {
            Some(ClientError::TooSlow) => "too slow",
            Some(ClientError::Unread) => "unread",
            Some(ClientError::Displaced) => "displaced",
            Some(ClientError::NoMemory) => "no memory",
            Some(ClientError::Decode(error)) if error.offset().is_none() => "too large",
            _ => "no request",
        };
        let from = peer.map(|peer| format!(" from {}", Name(peer)));
        let from = from.unwrap_or_default();
        let text = format!("closing a connection{from}: {why}");
        self.repeatable(Level::Warning, foreign.unwrap_or(kind), ALL, text);
    }

    /// A peer has sent descriptors, which nobody has asked for.
    pub(crate) fn descriptors_sent(&self) {
        let text = "closing a connection: its peer has sent descriptors";
        self.repeatable(Level::Warning, "descriptors", ALL, text.to_owned());
    }

    /// So many requests were still under way when the time for that was over.
    pub(crate) fn cut_off(&self, count: usize) {
        let text = format!("connections cut off at the end, count: {count}");
        self.repeatable(Level::Warning, "cut off", ALL, text);
    }
}
