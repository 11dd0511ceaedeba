//! When the file of a daemon is read again: once it stays as it is after a change.

use std::time::SystemTime;

/// When a file was changed last; none where it has gone.
pub(super) struct Watched {
    /// As it was read, or found to have a fault.
    read: Option<SystemTime>,
    /// At the last look.
    seen: Option<SystemTime>,
    /// How many looks before the last one have found the same.
    same: u32,
}

impl Watched {
    pub(super) fn new(read: Option<SystemTime>) -> Self {
        Self {
            read,
            seen: read,
            same: 0,
        }
    }

    /// Whether it has changed since it was read. It is read now.
    pub(super) fn has_changed(&mut self, modified: Option<SystemTime>) -> bool {
        self.seen = modified;
        std::mem::replace(&mut self.read, modified) != modified
    }

    /// Whether it has changed, and not for several looks, in which nobody was writing it as far as the system tells: one that is being
    /// written, with pauses as over a slow connection, is left alone. It is read now.
    pub(super) fn has_settled(
        &mut self,
        modified: Option<SystemTime>,
        is_being_written: bool,
    ) -> bool {
        let is_same = std::mem::replace(&mut self.seen, modified) == modified;
        self.same = if is_same && !is_being_written {
            self.same + 1
        } else {
            0
        };
        if self.same < SETTLED {
            return false;
        }
        self.same = SETTLED;
        self.has_changed(modified)
    }
}

/// How many looks, one a second, have to find the same. Nobody waits for longer who writes a file: an editor takes milliseconds.
const SETTLED: u32 = 5;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_file_is_read_once_it_stays_as_it_is() {
        let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
        let mut file = Watched::new(at(1));
        let mut read_at_look = |modified, looks: u32| {
            let mut looks = 1..=looks;
            looks.find(|_| file.has_settled(modified, false))
        };
        assert_eq!(read_at_look(at(1), 20), None);
        // It is being written, with pauses, and has gone for a moment.
        for modified in [at(2), at(3), None, at(4)] {
            assert_eq!(read_at_look(modified, SETTLED), None, "{modified:?}");
        }
        assert_eq!(read_at_look(at(5), 20), Some(SETTLED + 1));
        assert_eq!(read_at_look(at(5), 20), None);
        assert_eq!(read_at_look(None, 20), Some(SETTLED + 1));
        assert_eq!(read_at_look(None, 20), None);
        // Who asks for it does not wait.
        assert!(file.has_changed(at(6)) && !file.has_changed(at(6)));
        assert!((0..20).all(|_| !file.has_settled(at(6), false)));
        // Who writes it takes a long pause.
        assert!((0..20).all(|_| !file.has_settled(at(7), true)));
        assert_eq!(
            (0..20).position(|_| file.has_settled(at(7), false)),
            Some(4)
        );
    }
}
