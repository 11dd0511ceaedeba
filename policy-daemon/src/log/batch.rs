//! Lines of the log that are written together, so that no two become one.

use std::io::{self, Write};

/// The kind of a line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Line,
    /// It reports so many lost ones.
    Report(u64),
}

/// Lines that are written together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// The end of each line, and its kind.
    lines: Vec<(usize, Kind)>,
}

impl Batch {
    /// One more line, of these parts.
    pub(super) fn push(&mut self, line: &[&str], kind: Kind) {
        for part in line {
            self.bytes.extend_from_slice(part.as_bytes());
        }
        self.lines.push((self.bytes.len(), kind));
    }

    /// How many lines there are.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Leaves no line, and room for as many as there are as a rule.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(USUAL);
        self.lines.clear();
        self.lines.shrink_to(USUAL / USUAL_LINE);
    }
}

/// In bytes.
const USUAL: usize = 64 << 10;
const USUAL_LINE: usize = 64;

/// Writes lines so that no two become one, also where a file system is full in the middle of one.
pub(super) struct WholeLines<W> {
    output: W,
    /// The last line has a beginning and no end.
    torn: bool,
}

impl<W: Write> WholeLines<W> {
    pub(super) const fn new(output: W) -> Self {
        Self {
            output,
            torn: false,
        }
    }

    /// Writes these lines, with one call of the system where it takes them all. A line that fails is `lost`, and those
    /// after it are tried.
    pub(super) fn write_batch(&mut self, batch: &Batch, mut lost: impl FnMut(Kind)) {
        let mut begin = 0;
        let mut lines = batch.lines.iter();
        while let Some(rest @ [_, ..]) = batch.bytes.get(begin..) {
            let Err(written) = self.write(rest) else {
                return;
            };
            let is_failed = |(end, _): &&(usize, Kind)| *end > begin + written;
            let Some((end, kind)) = lines.find(is_failed) else {
                return;
            };
            lost(*kind);
            begin = *end;
        }
    }

    /// Writes lines, after a line feed for the line before where that has none.
    ///
    /// # Errors
    ///
    /// The system does not take them all: how many bytes it has taken.
    fn write(&mut self, lines: &[u8]) -> Result<(), usize> {
        if self.torn {
            self.write_all(b"\n").map_err(|_| 0_usize)?;
        }
        self.write_all(lines)
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut taken = 0;
        while let Some(rest @ [_, ..]) = bytes.get(taken..) {
            match self.output.write(rest) {
                Ok(0) => return Err(taken),
                Ok(count) => {
                    taken += count;
                    self.torn = !bytes.get(..taken).unwrap_or(bytes).ends_with(b"\n");
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(taken),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_lines_that_are_written_together_those_that_fail_are_lost_and_the_others_are_whole() {
        let mut batch = Batch::default();
        for (line, kind) in [
            ("first\n", Kind::Line),
            ("second\n", Kind::Report(7)),
            ("third\n", Kind::Line),
        ] {
            batch.push(&[line], kind);
        }
        // Room for so many bytes, what is there of the three then, and those that are lost.
        for (room, written, losses) in [
            (0, "", "LRL"),
            (5, "first", "LRL"),
            (6, "first\n", "RL"),
            (9, "first\nsec", "RL"),
            (13, "first\nsecond\n", "L"),
            (19, "first\nsecond\nthird\n", ""),
        ] {
            let mut output = WholeLines::new(Disk {
                room,
                written: String::new(),
            });
            let mut lost = String::new();
            let note = |kind| match kind {
                Kind::Line => lost.push('L'),
                Kind::Report(_) => lost.push('R'),
            };
            output.write_batch(&batch, note);
            assert_eq!(
                (&*output.output.written, &*lost),
                (written, losses),
                "{room}"
            );

            output.output.room = 100;
            let mut next = Batch::default();
            next.push(&["next\n"], Kind::Line);
            output.write_batch(&next, |_| panic!("there is room"));
            let whole = written.trim_end_matches('\n');
            let line_feed = if whole.is_empty() { "" } else { "\n" };
            assert_eq!(output.output.written, format!("{whole}{line_feed}next\n"));
        }
    }

    /// A file system that has room for so many bytes.
    struct Disk {
        room: usize,
        written: String,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // In parts, as a pipe might.
            let fits = bytes.len().min(self.room).min(4);
            if fits == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= fits;
            self.written
                .push_str(str::from_utf8(&bytes[..fits]).unwrap());
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
