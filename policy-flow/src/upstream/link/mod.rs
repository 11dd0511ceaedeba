//! One connection to a backend.

use bytes::BytesMut;
use policy_proto::MessageDecoder;

use crate::{Address, Slot, clock::Time};

pub(crate) mod addresses;
pub(crate) mod answer;
pub(crate) mod connection;
pub(crate) mod crowd;
pub(crate) mod look_up;
pub(crate) mod memory;
pub(crate) mod open;
pub(crate) mod race;

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) state: LinkState,
    pub(crate) backend: Slot,
    pub(crate) address: Address,
    pub(crate) opened: Time,
    /// Since when it is idle, or owes its blank line, or is asked.
    pub(crate) since: Time,
    /// It has answered before.
    pub(crate) is_reused: bool,
    /// A byte of the answer has come.
    pub(crate) heard: bool,
    /// The system has taken the whole request.
    pub(crate) sent: bool,
    /// It counts as one that may not have been accepted yet.
    pub(crate) is_opening: bool,
    /// It counts as one that has waited for its first answer for too long.
    pub(crate) is_unanswered: bool,
    /// Idle ones were closed for it, of which there were so many with those in use, and when.
    pub(crate) room_made: Option<(usize, Time)>,
    /// A blank line too many was skipped since the last request.
    pub(crate) skipped: bool,
    /// What has come of an answer, if not all has come at once.
    pub(crate) partial: Option<Box<Partial>>,
    /// For when it is to be looked at.
    pub(crate) armed: Time,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LinkState {
    Free,
    /// It is being opened, for this request.
    Connecting(u32),
    /// It is asked this request.
    Asking(u32),
    /// The blank line after its answer has not come yet.
    Settling,
    Idle,
}

#[derive(Debug)]
pub(crate) struct Partial {
    pub(crate) decoder: MessageDecoder,
    pub(crate) buf: BytesMut,
    /// The memory that is counted for it, where there is a limit.
    pub(crate) charge: usize,
    /// It waits for memory.
    pub(crate) waits: bool,
}

impl Link {
    pub(crate) const fn new() -> Self {
        Self {
            state: LinkState::Free,
            backend: Slot(0),
            address: Address::Other(0),
            opened: Time::NEVER,
            since: Time::NEVER,
            is_reused: false,
            heard: false,
            sent: false,
            is_opening: false,
            is_unanswered: false,
            room_made: None,
            skipped: false,
            partial: None,
            armed: Time::NEVER,
        }
    }
}
