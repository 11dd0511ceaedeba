//! One client's connection.

use bytes::BytesMut;
use policy_proto::MessageDecoder;

use super::{Peer, stick::Sticks};
use crate::{AskId, Stick, clock::Time};

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) state: State,
    /// It waits for the same in this order.
    pub(crate) before: u32,
    pub(crate) after: u32,
    /// Since when it waits, or when its request had come whole.
    pub(crate) since: Time,
    pub(crate) peer: Peer,
    /// It will send no more. It may still wait for a reply.
    pub(crate) has_ended: bool,
    /// Memory of a usual request is counted for it.
    pub(crate) usual: bool,
    /// Bytes of memory that are counted for a large request.
    pub(crate) large: usize,
    /// Its request, where backends are asked.
    pub(crate) ask: Option<AskId>,
    /// Where it has connected, and the group of backends that its request is put to.
    pub(crate) listener: u16,
    pub(crate) group: u16,
    /// The message that its last request was about, as a hash, and who answered it.
    pub(crate) message: Option<u64>,
    pub(crate) stick: Option<Stick>,
    /// Who answered in other groups, where requests of one message go to several.
    pub(crate) others: Option<Box<Sticks>>,
    pub(crate) partial: Option<Box<Partial>>,
}

/// What has come of a request, if not all has come at once, or of the next one.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(crate) decoder: MessageDecoder,
    pub(crate) buf: BytesMut,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    Free,
    /// It is between two requests.
    Idle,
    /// It has begun a request, of which the rest is waited for.
    Rest,
    /// It has begun a request, for which there is no memory.
    Short,
    /// Its request is large, and there is no memory for the rest.
    ShortLarge,
    /// Its request is worked on.
    Busy,
    /// Its reply has not been taken whole.
    Replying,
}

impl Client {
    pub(crate) const fn new() -> Self {
        Self {
            state: State::Free,
            before: NONE,
            after: NONE,
            since: Time::NEVER,
            peer: Peer::User(0),
            has_ended: false,
            usual: false,
            large: 0,
            ask: None,
            listener: 0,
            group: 0,
            message: None,
            stick: None,
            others: None,
            partial: None,
        }
    }
}

/// No client.
pub(crate) const NONE: u32 = u32::MAX;
