//! Distinct values, and when each was last seen.

use super::{MAX_DISTINCT, Usage, Windows};

/// Values by their fingerprints, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Distinct {
    pub(super) seen: Vec<Seen>,
}

/// When a value was last seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Seen {
    pub(super) fingerprint: u64,
    pub(super) at: u64,
}

impl Distinct {
    pub(super) fn count(&mut self, now: u64, windows: &Windows, fingerprint: u64) -> Usage {
        let lengths = windows.iter().map(|window| window.length_ms());
        let longest = lengths.max().unwrap_or_default();
        self.seen.retain(|seen| is_live(seen.at, longest, now));

        let found = self
            .seen
            .binary_search_by_key(&fingerprint, |seen| seen.fingerprint);
        let last = found
            .ok()
            .and_then(|index| self.seen.get(index))
            .map(|seen| seen.at);
        let with_it: Vec<_> = windows
            .iter()
            .map(|window| {
                let length = window.length_ms();
                let is_new = !last.is_some_and(|at| is_live(at, length, now));
                self.used(now, length) + u64::from(is_new)
            })
            .collect();
        let allowed = windows
            .iter()
            .zip(&with_it)
            .all(|(window, used)| *used <= window.limit);
        if !allowed && !windows.counts_all() {
            let used: Vec<_> = windows
                .iter()
                .map(|window| self.used(now, window.length_ms()))
                .collect();
            return Usage::new(false, windows, used);
        }
        match found {
            Ok(index) => {
                if let Some(seen) = self.seen.get_mut(index) {
                    seen.at = now;
                }
            }
            // Where all is counted, this is the bound.
            Err(_) if self.seen.len() >= MAX_DISTINCT => {}
            Err(index) => self.seen.insert(
                index,
                Seen {
                    fingerprint,
                    at: now,
                },
            ),
        }
        Usage::new(allowed, windows, with_it)
    }

    pub(super) fn used(&self, now: u64, length: u64) -> u64 {
        self.seen
            .iter()
            .filter(|seen| is_live(seen.at, length, now))
            .count() as u64
    }
}

/// Whether that is within the window, and not what was seen before the clock was set back.
fn is_live(at: u64, length: u64, now: u64) -> bool {
    at.saturating_add(length) > now && at <= now.saturating_add(length)
}
