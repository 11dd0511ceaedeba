//! The state that is remembered of one key's events: a value that any store can hold.

use super::{Event, Usage, Windows, amounts::Amounts, distinct::Distinct};
use crate::{MAX_DISTINCT, StoreError};

/// Larger amounts count as this one, so that sums stay exact everywhere: a mail of a terabyte.
const MAX_AMOUNT: u64 = 1 << 40;

/// The events of one key.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WindowState(pub(super) Kind);

/// The events.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Kind {
    /// None so far.
    #[default]
    Empty,
    /// Sums by slot.
    Amounts(Amounts),
    /// Values and when they were last seen.
    Distinct(Distinct),
}

impl WindowState {
    /// Checks an event at a time, and counts it if that is to be.
    pub fn count(&mut self, now: u64, windows: &Windows, event: Event<'_>) -> Usage {
        match event {
            Event::Amount(amount) => {
                let mut amounts = match std::mem::take(&mut self.0) {
                    Kind::Amounts(amounts) => amounts,
                    Kind::Empty | Kind::Distinct(_) => Amounts::default(),
                };
                let usage = amounts.count(now, windows, amount.min(MAX_AMOUNT));
                self.0 = Kind::Amounts(amounts);
                usage
            }
            Event::Distinct(value) => {
                let mut distinct = match std::mem::take(&mut self.0) {
                    Kind::Distinct(distinct) => distinct,
                    Kind::Empty | Kind::Amounts(_) => Distinct::default(),
                };
                let usage = distinct.count(now, windows, fingerprint(value));
                self.0 = Kind::Distinct(distinct);
                usage
            }
        }
    }

    /// What counting these events would give for the last one. The state stays as it is.
    pub fn preview(
        &self,
        now: u64,
        windows: &Windows,
        events: &[Event<'_>],
    ) -> Result<Usage, StoreError> {
        let mut state = self.clone();
        let mut usage = Usage::new(true, windows, windows.iter().map(|_| 0));
        for event in events {
            check_event(windows, *event)?;
            usage = state.count(now, windows, *event);
        }
        Ok(usage)
    }

    /// The counts in the windows at a time.
    pub fn usage(&self, now: u64, windows: &Windows) -> Usage {
        let used = |length| match &self.0 {
            Kind::Empty => 0,
            Kind::Amounts(amounts) => amounts.used(now, length),
            Kind::Distinct(distinct) => distinct.used(now, length),
        };
        let used: Vec<_> = windows
            .iter()
            .map(|window| used(window.length_ms()))
            .collect();
        let more = windows
            .iter()
            .zip(&used)
            .all(|(window, used)| *used < window.limit);
        Usage::new(more, windows, used)
    }
}

/// Refuses limits that could not be kept.
pub(crate) fn check_event(windows: &Windows, event: Event<'_>) -> Result<(), StoreError> {
    let highest = windows
        .iter()
        .map(|window| window.limit)
        .max()
        .unwrap_or_default();
    match event {
        Event::Distinct(_) if highest > MAX_DISTINCT as u64 => Err(StoreError::TooLarge {
            size: usize::try_from(highest).unwrap_or(usize::MAX),
            limit: MAX_DISTINCT,
            unit: "distinct values of a limit",
        }),
        _ => Ok(()),
    }
}

/// An amount as it is counted.
#[cfg(feature = "redis")]
pub(crate) fn counted(amount: u64) -> u64 {
    amount.min(MAX_AMOUNT)
}

/// The fingerprint of a value. A client that may choose values cannot find one that passes for a given other one.
pub(crate) fn fingerprint(value: &[u8]) -> u64 {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(value);
    let mut bytes = [0; 8];
    for (byte, of) in bytes.iter_mut().zip(digest) {
        *byte = of;
    }
    u64::from_be_bytes(bytes)
}
