//! The window that is used up.

use policy_store::{Usage, Window, Windows};

/// A window that is used up, and how much is in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Full {
    pub(super) window: Window,
    pub(super) used: u64,
}

impl Full {
    /// The shortest window that has no room for so many more, or has more than it may.
    ///
    /// Of distinct values a full window may have the denied one already. Then each longer window has it too, and so it is never
    /// the shortest full one.
    pub(super) fn of(usage: &Usage, amount: u64, windows: &Windows) -> Option<Self> {
        let more = if windows.counts_all() { 0 } else { amount };
        let all = usage.windows.iter();
        let full = all.filter(|of| of.used.saturating_add(more) > of.window.limit);
        let found = full.min_by_key(|of| of.window.length);
        let found = found.or_else(|| usage.windows.first())?;
        Some(Self {
            window: found.window,
            used: found.used,
        })
    }
}
