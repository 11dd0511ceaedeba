//! The addresses of one backend: which is tried next, and which are looked up again.
//!
//! Healthy addresses share the connections. One that failed or hung goes behind the others and stays there, until it
//! is tried since those have failed too, and answers.

use std::time::Duration;

use crate::{Address, clock::Time};

#[derive(Debug)]
pub(crate) struct Addresses {
    known: Vec<Known>,
    /// When they are to be looked up again.
    refresh_at: Time,
    refresh: Duration,
    is_looking: bool,
    /// How many failures there were.
    failures: u64,
    /// Changes with the list: [`Raced`] is about one.
    version: u32,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    address: Address,
    /// Which failure was its last one; 0 if it is healthy.
    failure: u64,
    links: usize,
}

/// The addresses that one attempt has tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Raced {
    places: u8,
    version: u32,
}

impl Addresses {
    pub(crate) fn new(address: Option<Address>, refresh: Duration) -> Self {
        let mut addresses = Self {
            known: Vec::new(),
            refresh_at: Time::default(),
            refresh,
            is_looking: false,
            failures: 0,
            version: 0,
        };
        if let Some(address) = address {
            addresses.replace(&[address]);
            addresses.refresh_at = Time::NEVER;
        }
        addresses
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether a look-up is under way.
    pub(crate) const fn is_looking(&self) -> bool {
        self.is_looking
    }

    /// Whether they are to be looked up now. If so that counts as begun.
    pub(crate) fn begin_look_up(&mut self, now: Time) -> bool {
        let is_due = self.refresh_at <= now && !self.is_looking;
        self.is_looking |= is_due;
        is_due
    }

    /// Whether they have not been looked up for so long that another answer is likely, and are looked up now: after a time
    /// without requests.
    pub(crate) fn are_stale(&self, now: Time) -> bool {
        let is_old = self.refresh_at.after(self.refresh) <= now;
        is_old && self.is_looking && !self.known.is_empty()
    }

    /// A look-up has found these; the first eight count.
    pub(crate) fn found(&mut self, now: Time, list: &[Address]) {
        self.end_look_up(now);
        let is_same =
            self.known.len() == list.len() && list.iter().all(|address| self.contains(*address));
        if !is_same {
            self.replace(list);
        }
    }

    /// A look-up failed: what is known is used on.
    pub(crate) fn not_found(&mut self, now: Time) {
        self.end_look_up(now);
        if self.known.is_empty() {
            // The next request asks again.
            self.refresh_at = now;
        }
    }

    fn end_look_up(&mut self, now: Time) {
        self.is_looking = false;
        self.refresh_at = now.after(self.refresh);
    }

    fn replace(&mut self, list: &[Address]) {
        let mut known: Vec<Known> = Vec::new();
        // Those that are in use are not lost to a resolver that shuffles more than can be kept.
        let stays = |address: &&Address| self.contains(**address);
        let goes = |address: &&Address| !self.contains(**address);
        for &address in list.iter().filter(stays).chain(list.iter().filter(goes)) {
            let is_new = known.iter().all(|other| other.address != address);
            if is_new && known.len() < MAX_ADDRESSES {
                known.push(*self.known(address).unwrap_or(&Known {
                    address,
                    failure: 0,
                    links: 0,
                }));
            }
        }
        self.known = known;
        self.version = self.version.wrapping_add(1);
    }

    /// Whether a connection to this address may be used on.
    #[inline]
    pub(crate) fn contains(&self, address: Address) -> bool {
        self.known(address).is_some()
    }

    /// The next address for an attempt, the healthy one with the fewest connections first.
    pub(crate) fn next(&self, raced: &mut Raced) -> Option<Address> {
        if raced.version != self.version {
            *raced = Raced {
                places: 0,
                version: self.version,
            };
        }
        let places = self.known.iter().enumerate();
        let open = places.filter(|(place, _)| raced.places & (1 << place) == 0);
        let (place, next) = open.min_by_key(|(_, known)| (known.failure, known.links))?;
        raced.places |= 1 << place;
        Some(next.address)
    }

    /// Whether there is one more for an attempt.
    pub(crate) fn has_more(&self, raced: Raced) -> bool {
        raced.version != self.version || (raced.places.count_ones() as usize) < self.known.len()
    }

    /// It has failed, or not answered.
    pub(crate) fn failed(&mut self, address: Address) {
        self.failures += 1;
        let failure = self.failures;
        self.change(address, |known| known.failure = failure);
    }

    /// It has answered.
    #[inline]
    pub(crate) fn answered(&mut self, address: Address) {
        if self.failures > 0 {
            self.change(address, |known| known.failure = 0);
        }
    }

    pub(crate) fn opened(&mut self, address: Address) {
        self.change(address, |known| known.links += 1);
    }

    pub(crate) fn closed(&mut self, address: Address) {
        self.change(address, |known| known.links = known.links.saturating_sub(1));
    }

    #[inline]
    fn known(&self, address: Address) -> Option<&Known> {
        self.known.iter().find(|known| known.address == address)
    }

    #[cold]
    fn change(&mut self, address: Address, change: impl FnOnce(&mut Known)) {
        let known = self.known.iter_mut().find(|known| known.address == address);
        if let Some(known) = known {
            change(known);
        }
    }
}

/// As many addresses of a name as are used. A name that has hundreds, be it hostile or broken, leaves an attempt no time
/// to find the one that works.
const MAX_ADDRESSES: usize = 8;
