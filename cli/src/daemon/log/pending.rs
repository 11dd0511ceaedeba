//! The drop-in's log on standard output: lines that wait for the reply that they are written with.

use std::mem;

use crate::daemon::log::Level;

/// Lines for one reply. What is too much is lost, counted, and said with that reply.
#[derive(Debug, Default)]
pub(super) struct Pending {
    lines: String,
    lost: u64,
}

impl Pending {
    pub(super) fn push(&mut self, line: &str) {
        if self.lines.len() + line.len() <= super::MAX_WAITING {
            self.lines.push_str(line);
        } else {
            self.lost += 1;
        }
    }

    pub(super) fn take(&mut self) -> String {
        let mut lines = mem::take(&mut self.lines);
        match mem::take(&mut self.lost) {
            0 => {}
            lost => lines.push_str(&super::tagged(Level::Warning, &super::lost(lost))),
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reply_has_a_bounded_number_of_bytes_before_it() {
        let mut pending = Pending::default();
        let line = "x".repeat(1023) + "\n";
        for _ in 0..1030 {
            pending.push(&line);
        }
        let lines = pending.take();
        assert_eq!(
            lines,
            line.repeat(1024) + "[LOG warning]: 6 log lines were lost\n"
        );
        pending.push(&line);
        assert_eq!(pending.take(), line, "the next reply has room again");
        assert_eq!(pending.take(), "");
    }
}
