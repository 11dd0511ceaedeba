//! A daemon's log on standard output, which may be a pipe that nobody reads: a thread writes, and what
//! waits for it is bounded.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{self, SyncSender},
    },
    thread,
    time::Duration,
};

use crate::Level;

/// Lines on their way to a thread that writes them. What does not fit is lost, counted, and said as
/// soon as a line fits again.
#[derive(Debug)]
pub(super) struct Stdout {
    lines: SyncSender<Message>,
    /// The bytes of the lines that wait, and of the one that is being written.
    waiting: Arc<AtomicUsize>,
    lost: AtomicU64,
}

#[derive(Debug)]
enum Message {
    /// A box has no spare room that nobody counts.
    Line(Box<str>),
    Flush(SyncSender<()>),
}

impl Stdout {
    /// Has a thread write to `output`.
    pub(super) fn new(mut output: impl Write + Send + 'static) -> Self {
        let (lines, queue) = mpsc::sync_channel(MAX_LINES);
        let waiting = Arc::new(AtomicUsize::new(0));
        let written = Arc::clone(&waiting);
        let writer = move || {
            for message in queue {
                match message {
                    Message::Line(line) => {
                        // Nobody is left to be told when it fails.
                        _ = output.write_all(line.as_bytes());
                        written.fetch_sub(line.len(), Relaxed);
                    }
                    Message::Flush(done) => _ = done.send(()),
                }
            }
        };
        // Without the thread every line is lost, and counted.
        _ = thread::Builder::new().name("log".to_owned()).spawn(writer);
        Self {
            lines,
            waiting,
            lost: AtomicU64::new(0),
        }
    }

    pub(super) fn send(&self, line: String) {
        let lost = self.lost.swap(0, Relaxed);
        if lost > 0 && !self.try_send(said(lost)) {
            self.lost.fetch_add(lost, Relaxed);
        }
        if !self.try_send(line) {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn flush(&self) {
        let (done, flushed) = mpsc::sync_channel(1);
        if self.lines.try_send(Message::Flush(done)).is_ok() {
            // The end of the process does not wait for a reader that has stopped.
            _ = flushed.recv_timeout(Duration::from_secs(1));
        }
    }

    /// Whether there was room for the line.
    fn try_send(&self, line: String) -> bool {
        let length = line.len();
        let waiting = self
            .waiting
            .fetch_add(length, Relaxed)
            .saturating_add(length);
        let line = Message::Line(line.into_boxed_str());
        let fits = waiting <= super::MAX_WAITING && self.lines.try_send(line).is_ok();
        if !fits {
            self.waiting.fetch_sub(length, Relaxed);
        }
        fits
    }
}

/// What a daemon says in the place of lost lines.
fn said(lost: u64) -> String {
    let text = super::prefixed(Level::Warning, super::lost(lost).as_bytes());
    super::tagged(Level::Warning, &text)
}

/// Lines that may wait, however short they are: each costs some bytes besides its own.
const MAX_LINES: usize = 4096;

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Read, pipe},
        thread,
    };

    use super::{super::MAX_WAITING, *};

    #[test]
    fn a_reader_that_never_reads_holds_up_a_bounded_number_of_bytes() {
        for length in [1, 100, 8192] {
            let (mut reader, writer) = pipe().unwrap();
            let stdout = Stdout::new(writer);
            let line = "x".repeat(length) + "\n";
            let lines = 3 * MAX_WAITING / length;
            for _ in 0..lines.min(200_000) {
                stdout.send(line.clone());
                let waiting = stdout.waiting.load(Relaxed);
                assert!(waiting <= MAX_WAITING, "{waiting} bytes of {length}");
            }
            let lost = stdout.lost.load(Relaxed);
            assert!(lost > 0, "of {lines} lines of {length} bytes");
            // Its thread ends with the last line.
            drop(stdout);
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            let most = MAX_WAITING + PIPE;
            assert!(read.len() <= most, "{} bytes of {length}", read.len());
        }
    }

    #[test]
    fn a_line_is_read_at_last_or_counted_as_lost() {
        let (reader, writer) = pipe().unwrap();
        let stdout = Stdout::new(writer);
        let line = "x".repeat(1000) + "\n";
        for _ in 0..2000 {
            stdout.send(line.clone());
        }
        let reads = thread::spawn(move || {
            let lines = BufReader::new(reader).lines().map(Result::unwrap);
            lines.collect::<Vec<String>>()
        });
        // When all that waited has been read, there is room.
        while stdout.waiting.load(Relaxed) > 0 {
            thread::yield_now();
        }
        stdout.send("after\n".to_owned());
        drop(stdout);
        let lines = reads.join().unwrap();
        let (of_loss, whole): (Vec<_>, Vec<_>) = lines.iter().partition(|l| l.contains("lost"));
        let count = |line: &str| {
            let count = line.strip_prefix("[LOG warning]: warning: ")?;
            count
                .strip_suffix(" log lines were lost")?
                .parse::<usize>()
                .ok()
        };
        let lost: usize = of_loss.iter().map(|line| count(line).unwrap()).sum();
        assert!(lost > 0);
        assert_eq!(lost + whole.len(), 2001);
        assert_eq!(whole.last().unwrap().as_str(), "after");
    }

    /// What a pipe holds.
    const PIPE: usize = 65536;
}
