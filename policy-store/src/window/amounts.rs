//! Sums of amounts, by window and slot.

use super::{Usage, Windows, slot_ms};

/// The slots of each window, known by its length in milliseconds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Amounts {
    pub(super) windows: Vec<(u64, Vec<Slot>)>,
}

/// The count within one slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Slot {
    /// Which slot since 1970, or since a store began.
    pub(super) number: u64,
    pub(super) amount: u64,
}

impl Amounts {
    pub(super) fn count(&mut self, now: u64, windows: &Windows, amount: u64) -> Usage {
        // A window that is no longer asked for is forgotten, and a new one begins.
        let mut next = Vec::with_capacity(windows.iter().len());
        for window in windows.iter() {
            let length = window.length_ms();
            let mut slots = self.take(length);
            slots.retain(|slot| is_live(slot.number, length, now));
            next.push((length, slots));
        }
        self.windows = next;

        let mut used: Vec<_> = windows
            .iter()
            .map(|window| self.used(now, window.length_ms()))
            .collect();
        let allowed = windows
            .iter()
            .zip(&used)
            .all(|(window, used)| used.saturating_add(amount) <= window.limit);
        if amount > 0 && (allowed || windows.counts_all()) {
            for ((length, slots), used) in self.windows.iter_mut().zip(&mut used) {
                add(slots, now / slot_ms(*length), amount);
                *used = used.saturating_add(amount);
            }
        }
        Usage::new(allowed, windows, used)
    }

    pub(super) fn used(&self, now: u64, length: u64) -> u64 {
        let slots = self
            .windows
            .iter()
            .find(|(of, _)| *of == length)
            .map(|(_, slots)| slots);
        slots
            .into_iter()
            .flatten()
            .filter(|slot| is_live(slot.number, length, now))
            .fold(0, |sum, slot| sum.saturating_add(slot.amount))
    }

    fn take(&mut self, length: u64) -> Vec<Slot> {
        let found = self.windows.iter_mut().find(|(of, _)| *of == length);
        found
            .map(|(_, slots)| std::mem::take(slots))
            .unwrap_or_default()
    }
}

fn add(slots: &mut Vec<Slot>, number: u64, amount: u64) {
    match slots.iter_mut().find(|slot| slot.number == number) {
        Some(slot) => slot.amount = slot.amount.saturating_add(amount),
        None => slots.push(Slot { number, amount }),
    }
}

/// Whether a slot's last event may be within the window. One that lies further ahead than the window is long was
/// counted before the clock was set back.
fn is_live(number: u64, length: u64, now: u64) -> bool {
    let slot = slot_ms(length);
    let begin = number.saturating_mul(slot);
    let end = begin.saturating_add(slot);
    end.saturating_add(length) > now && begin <= now.saturating_add(length)
}
