//! One request on its way.

use std::{io, time::Duration};

use policy_ha::{BackendId, Preference, Tried};
use policy_proto::Request;

use crate::upstream::{AttemptError, ask::budget::Budget, link::addresses::Raced};
use crate::{
    Slot,
    clock::{Span, Time},
};

pub(crate) mod begin;
pub(crate) mod blame;
pub(crate) mod budget;
pub(crate) mod failover;
pub(crate) mod finish;
pub(crate) mod late;
pub(crate) mod retry;

#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) serial: u32,
    pub(crate) state: AskState,
    /// What it is for.
    pub(crate) kind: Kind,
    pub(crate) request: Option<Request>,
    /// The list of backends that it goes by.
    pub(crate) set: u32,
    pub(crate) preference: Preference,
    pub(crate) key: Option<u64>,
    pub(crate) tried: Tried,
    pub(crate) budget: Budget,
    /// Who is asked now.
    pub(crate) id: Option<BackendId>,
    pub(crate) slot: Slot,
    /// Over a new connection only.
    pub(crate) is_fresh: bool,
    /// The attempt began with a kept connection, which turned out to be closed.
    pub(crate) began_closed: bool,
    /// When the attempt began, and when it ends.
    pub(crate) began: Time,
    pub(crate) until: Time,
    /// It was queued since as many connections were being opened as may be.
    pub(crate) waits_to_open: bool,
    /// The middle of the attempt's time.
    pub(crate) middle: Time,
    /// For how long of the attempt this process stood still for certain.
    pub(crate) stood_still: Duration,
    /// When the attempt got a connection, or the permit for one.
    pub(crate) granted: Time,
    /// When its wait for a permit, or for a connection, ends.
    pub(crate) wait_until: Time,
    /// When it is to be looked at, and when its timer rings.
    pub(crate) due: Time,
    pub(crate) armed: Time,
    /// The connection; while it is opened the first of those that race.
    pub(crate) link: Option<u32>,
    pub(crate) opening: Opening,
    pub(crate) attempts: Vec<Attempt>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AskState {
    Free,
    /// No attempt is under way: the next one is about to begin.
    Between,
    /// It waits for a permit.
    Queued,
    /// A connection is opened.
    Opening,
    /// It has been sent.
    Asking,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// It is somebody's, who calls it this.
    Request(u64),
    /// A backend that is down is looked at; without a request a connection is all there is to see.
    Check,
}

/// A connection that is being opened.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    /// It waits for the backend's addresses.
    pub(crate) is_looking: bool,
    /// It counts as a connection that has not been accepted.
    pub(crate) counts: bool,
    /// Connections that race with the first one, to other addresses.
    pub(crate) others: Vec<u32>,
    pub(crate) raced: Raced,
    /// The queue of a UNIX socket was full.
    pub(crate) is_full: bool,
    /// When the next address is tried.
    pub(crate) race_at: Time,
    /// Why the last one failed.
    pub(crate) error: Option<io::Error>,
}

/// An attempt that failed.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) id: BackendId,
    pub(crate) slot: Slot,
    pub(crate) error: AttemptError,
    pub(crate) at: Time,
    pub(crate) took: Duration,
    /// The backend closed the connection instead of an answer.
    pub(crate) is_end: bool,
    /// Whether the backend is to blame is not known yet.
    pub(crate) is_pending: bool,
}

impl Ask {
    pub(crate) fn new() -> Self {
        Self {
            serial: 0,
            state: AskState::Free,
            kind: Kind::Check,
            request: None,
            set: 0,
            preference: Preference::None,
            key: None,
            tried: Tried::new(),
            budget: Budget::new(Time::default(), Span::ZERO),
            id: None,
            slot: Slot(0),
            is_fresh: false,
            began_closed: false,
            began: Time::default(),
            until: Time::NEVER,
            waits_to_open: false,
            middle: Time::NEVER,
            stood_still: Duration::ZERO,
            granted: Time::NEVER,
            wait_until: Time::NEVER,
            due: Time::NEVER,
            armed: Time::NEVER,
            link: None,
            opening: Opening::default(),
            attempts: Vec::new(),
        }
    }

    /// An attempt begins now, and may take so long. Nothing is left of the one before.
    #[inline]
    pub(crate) fn begin_attempt(&mut self, now: Time, limit: Span) {
        self.began = now;
        self.middle = now.after(limit.part(2));
        self.until = now.after(limit);
        self.wait_until = self.until;
        self.granted = Time::NEVER;
        self.is_fresh = false;
        self.began_closed = false;
        self.waits_to_open = false;
        self.stood_still = Duration::ZERO;
    }

    /// A bit for each backend below 64 that was asked and did not answer.
    pub(crate) fn failed(&self) -> u64 {
        let bits = self
            .attempts
            .iter()
            .filter_map(|attempt| 1u64.checked_shl(attempt.slot.0));
        bits.fold(0, |set, bit| set | bit)
    }
}
