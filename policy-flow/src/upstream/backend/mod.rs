//! A backend as one worker knows it: its idle connections, the requests that wait for one, and what has been learned of
//! it.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use policy_proto::ActionSet;

use crate::clock::{Span, Time};
use crate::upstream::{
    BackendConfig, OF_LATE, UpstreamOptions, link::addresses::Addresses,
    pool::shared::SharedBackend,
};

pub(crate) mod check;
pub(crate) mod exchange;
pub(crate) mod hash_key;
pub(crate) mod probe;
pub(crate) mod strategy;

#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) shared: Arc<SharedBackend>,
    /// Those of its group.
    pub(crate) options: Arc<UpstreamOptions>,
    pub(crate) timeout: Span,
    pub(crate) accepts: Option<ActionSet>,
    pub(crate) keep: Span,
    pub(crate) max_age: Span,
    pub(crate) host: Box<str>,
    pub(crate) addresses: Addresses,
    /// Connections that can be used: the one used last is used next, so that the others grow old and are closed.
    pub(crate) idle: VecDeque<u32>,
    /// Requests that wait for a permit, with their serials: some may have given up.
    pub(crate) waiting: VecDeque<(u32, u32)>,
    /// Requests that wait until the queue of its UNIX socket has room.
    pub(crate) full: VecDeque<(u32, u32)>,
    /// Requests that wait for an address.
    pub(crate) looking: Vec<(u32, u32)>,
    /// Permits that this worker has: for its connections, idle ones among them, and those that it opens.
    pub(crate) taken: usize,
    /// It could not take a permit, since all are taken: who gives one back is to know that.
    pub(crate) is_short: bool,
    /// It has given a permit to another worker, and takes none until it is called.
    pub(crate) yields: bool,
    /// Connections that may not have been accepted yet.
    pub(crate) opening: usize,
    /// New connections that have waited for an answer for too long: idle ones are closed for them.
    pub(crate) unanswered: usize,
    /// The moment of its last answer, if it has not failed since.
    pub(crate) answered_at: Option<Time>,
    /// How long the slowest answer of late took over a connection that was kept, and until when that counts.
    slowest: (Span, Time),
    /// As many connections of this worker as it seems to serve at once, and until when that counts: it has been seen
    /// once, and a slow answer looks the same.
    pub(crate) suspected: Option<(usize, Time)>,
    /// As many connections of this worker as it has been seen to serve at once, and until when that is believed.
    pub(crate) learned: Option<(usize, Time)>,
    /// Bytes of memory that its answers take.
    pub(crate) memory: usize,
    /// When the oldest idle connection is looked at.
    pub(crate) trim: Time,
    /// When it is looked at, if it is down.
    pub(crate) check: Time,
    /// It is not listed any more: no connection is kept.
    pub(crate) is_retired: bool,
}

impl Backend {
    pub(crate) fn new(
        config: BackendConfig,
        shared: Arc<SharedBackend>,
        options: Arc<UpstreamOptions>,
    ) -> Self {
        Self {
            shared,
            max_age: options.max_age.into(),
            options,
            timeout: config.timeout.into(),
            accepts: config.accepts,
            keep: config.keep.into(),
            host: config.host,
            addresses: Addresses::new(config.address, config.refresh),
            idle: VecDeque::new(),
            waiting: VecDeque::new(),
            full: VecDeque::new(),
            looking: Vec::new(),
            taken: 0,
            is_short: false,
            yields: false,
            opening: 0,
            unanswered: 0,
            answered_at: None,
            slowest: (Span::ZERO, Time::ZERO),
            suspected: None,
            learned: None,
            memory: 0,
            trim: Time::NEVER,
            check: Time::NEVER,
            is_retired: false,
        }
    }

    /// What is said of it has changed. Where it is has not.
    pub(crate) fn renew(
        &mut self,
        config: BackendConfig,
        shared: Arc<SharedBackend>,
        options: Arc<UpstreamOptions>,
    ) {
        self.shared = shared;
        self.max_age = options.max_age.into();
        self.options = options;
        self.timeout = config.timeout.into();
        self.accepts = config.accepts;
        self.keep = config.keep.into();
        self.is_retired = false;
    }

    /// Whether it is not listed any more, and nothing of it is left.
    pub(crate) fn is_free(&self) -> bool {
        self.is_retired
            && self.taken == 0
            && self.waiting.is_empty()
            && self.looking.is_empty()
            && !self.addresses.is_looking()
    }

    /// A permit, if this worker has fewer than `limit`, and all workers together have fewer than `max`.
    pub(crate) fn take_permit(&mut self, limit: usize, max: usize) -> bool {
        let may_take = self.taken < limit;
        let has_taken = may_take && self.shared.take(max);
        self.is_short = may_take && !has_taken;
        self.taken += usize::from(has_taken);
        has_taken
    }

    /// An answer over a kept connection has taken so long.
    #[inline]
    pub(crate) fn record_time(&mut self, time: Span, now: Time) {
        let (slowest, until) = self.slowest;
        if time >= slowest || until <= now {
            self.slowest = (time, now.after(OF_LATE));
        }
    }

    pub(crate) fn slowest(&self, now: Time) -> Duration {
        let (slowest, until) = self.slowest;
        if now < until {
            slowest.duration()
        } else {
            Duration::ZERO
        }
    }

    /// The connections that this worker opens without a wait.
    pub(crate) fn limit(&self, now: Time, max: usize) -> usize {
        match self.learned {
            Some((limit, until)) if now < until => limit.min(max),
            _ => max,
        }
    }

    /// Its connections that are in use, of this worker.
    pub(crate) fn in_use(&self) -> u32 {
        u32::try_from(self.taken.saturating_sub(self.idle.len())).unwrap_or(u32::MAX)
    }

    /// An attempt failed, by its fault or not.
    pub(crate) fn failed(&mut self, blames: bool, connected: bool) {
        self.answered_at = None;
        self.shared.failed.fetch_add(1, Relaxed);
        if blames {
            self.shared.unreachable.store(!connected, Relaxed);
        }
    }

    pub(crate) fn answered(&self) {
        self.shared.answered.fetch_add(1, Relaxed);
        if self.shared.forgiven.load(Relaxed) > 0 {
            self.shared.forgiven.store(0, Relaxed);
        }
    }
}
