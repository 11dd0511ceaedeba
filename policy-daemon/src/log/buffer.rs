//! A log whose lines wait until they are taken.

use std::mem;

use super::{
    level::Level,
    lost::{MAX_WAITING, lost as lost_lines},
    prefix::tagged,
};

/// Lines that wait. Further lines are lost, counted, and reported at the end of those.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    lines: String,
    lost: u64,
    /// All that were lost since the start.
    pub(super) lost_in_all: u64,
}

impl Buffer {
    /// One more, of these parts.
    pub(super) fn push(&mut self, line: &[&str]) {
        let length: usize = line.iter().map(|part| part.len()).sum();
        if self.lines.len() + length <= MAX_WAITING {
            line.iter().for_each(|part| self.lines.push_str(part));
        } else {
            self.lost += 1;
            self.lost_in_all += 1;
        }
    }

    pub(super) fn take(&mut self) -> String {
        let mut lines = mem::take(&mut self.lines);
        match mem::take(&mut self.lost) {
            0 => {}
            lost => lines.push_str(&tagged(Level::Warning, &lost_lines(lost)).concat()),
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_number_of_bytes_waits() {
        let mut buffer = Buffer::default();
        let line = "x".repeat(1023) + "\n";
        for _ in 0..1030 {
            buffer.push(&[&line]);
        }
        let lines = buffer.take();
        assert_eq!(
            lines,
            line.repeat(1024) + "[LOG warning]: 6 log lines were lost\n"
        );
        buffer.push(&[&line]);
        assert_eq!(buffer.take(), line, "there is room again");
        assert_eq!(buffer.take(), "");
    }
}
