//! Shortages of memory: a line when requests begin to wait for memory, and one when none waits any more.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use policy_daemon::log::Level;

use crate::{journal::Journal, options::shown_size};

/// A change that is to be logged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Memory {
    /// All is in use, and requests have begun to wait.
    UsedUp,
    /// For a while none has waited; so many had to before.
    Free(u64),
}

/// Requests and answers of one worker that have had to wait for memory, and those that do.
#[derive(Debug, Default)]
pub(crate) struct MemoryWaits {
    begun: AtomicU64,
    now: AtomicUsize,
}

impl MemoryWaits {
    /// Those that have had to wait.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }
}

impl MemoryWaits {
    /// As many as so far. As a rule nothing changes: what others read is not written then.
    pub(crate) fn set(&self, begun: u64, now: usize) {
        if self.begun.load(Relaxed) != begun {
            self.begun.store(begun, Relaxed);
        }
        if self.now.load(Relaxed) != now {
            self.now.store(now, Relaxed);
        }
    }
}

/// Looks at the workers once in a while, so that a shortage that comes and goes is said once, and no request
/// has to say it.
#[derive(Debug, Default)]
pub(crate) struct Shortage {
    /// How many have had to wait so far.
    waited: u64,
    /// While it lasts: what that was at its beginning, and how many looks ago somebody waited.
    lasts: Option<(u64, u32)>,
}

impl Shortage {
    /// To be called once a second.
    pub(crate) fn look_at(&mut self, workers: &[MemoryWaits]) -> Option<Memory> {
        let waited = workers.iter().map(|waits| waits.begun.load(Relaxed)).sum();
        let waiting = workers.iter().map(|waits| waits.now.load(Relaxed)).sum();
        self.look(waited, waiting)
    }

    fn look(&mut self, waited: u64, waiting: usize) -> Option<Memory> {
        let before = std::mem::replace(&mut self.waited, waited);
        let is_short = waiting > 0 || waited > before;
        match &mut self.lasts {
            None if is_short => {
                self.lasts = Some((before, 0));
                Some(Memory::UsedUp)
            }
            None => None,
            Some((_, since)) if is_short => {
                *since = 0;
                None
            }
            Some((begin, since)) => {
                *since += 1;
                let waited = waited - *begin;
                (*since == QUIET).then(|| {
                    self.lasts = None;
                    Memory::Free(waited)
                })
            }
        }
    }
}

impl Journal {
    /// Requests have begun to wait for memory, of so many bytes in all, or do so no more.
    pub(crate) fn memory(&self, memory: Memory, bytes: usize) {
        match memory {
            Memory::UsedUp => {
                let size = shown_size(bytes);
                let text = format!(
                    "memory for requests is used up (--max-memory {size}): new requests wait"
                );
                self.log.line(Level::Warning, text);
            }
            Memory::Free(waited) => {
                let text = format!("memory for requests is free again, {waited} have waited");
                self.log.line(Level::Info, text);
            }
        }
    }
}

/// A shortage is over when for so many looks nobody has waited.
const QUIET: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// The changes, where so many have waited, and wait, at each look.
    fn said(looks: &[(u64, usize)]) -> Vec<(usize, Memory)> {
        let mut shortage = Shortage::default();
        let said = |(at, &(waited, waiting))| Some((at, shortage.look(waited, waiting)?));
        looks.iter().enumerate().filter_map(said).collect()
    }

    #[test]
    fn nothing_is_said_while_nobody_waits() {
        assert_eq!(said(&[(0, 0); 100]), []);
    }

    #[test]
    fn a_shortage_is_said_once_and_its_end_when_nobody_has_waited_for_ten_looks() {
        let short = [(5, 5), (9, 2), (9, 0), (9, 0), (12, 0)];
        let looks = [&short[..], &[(12, 0); 30]].concat();
        let expected = [(0, Memory::UsedUp), (14, Memory::Free(12))];
        assert_eq!(said(&looks), expected);
    }

    #[test]
    fn one_who_waits_for_long_keeps_it_up() {
        assert_eq!(said(&[(1, 1); 100]), [(0, Memory::UsedUp)]);
    }

    #[test]
    fn those_of_another_shortage_are_counted_from_its_beginning() {
        let looks = [&[(3, 0); 11][..], &[(4, 0); 11]].concat();
        let expected = [
            (0, Memory::UsedUp),
            (10, Memory::Free(3)),
            (11, Memory::UsedUp),
            (21, Memory::Free(1)),
        ];
        assert_eq!(said(&looks), expected);
    }
}
