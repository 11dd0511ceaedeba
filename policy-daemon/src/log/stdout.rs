//! A daemon's log on standard output, which may be a pipe that is not read: a thread writes, and few lines wait for it.

use std::{
    io::{self, Write},
    iter,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{self, SyncSender},
    },
    thread,
    time::Duration,
};

use super::{
    batch::{Batch, Kind, WholeLines},
    level::Level,
    line::{MAX_WAITING, lost, prefixed, tagged},
};

/// Lines on their way to a thread that writes them. A line that does not fit, or cannot be written, is lost and counted,
/// and the count is reported as soon as a line fits again.
#[derive(Debug)]
pub(super) struct Stdout {
    lines: SyncSender<Message>,
    /// The bytes of the lines that wait, and of the one that is being written.
    waiting: Arc<AtomicUsize>,
    lost: Arc<Lost>,
}

/// The number of lost lines.
#[derive(Debug, Default)]
struct Lost {
    /// Those that no line has reported yet.
    unreported: AtomicU64,
    /// Those that some line has reported, written or on its way.
    reported: AtomicU64,
}

impl Lost {
    /// A line is lost: one of those of the log, or one that reported so many.
    fn add(&self, line: Kind) {
        match line {
            Kind::Line => self.unreported.fetch_add(1, Relaxed),
            Kind::Report(count) => {
                self.unreported.fetch_add(count, Relaxed);
                self.reported.fetch_sub(count, Relaxed)
            }
        };
    }

    /// Takes those that no line has reported, for a line that does.
    fn report(&self) -> Option<u64> {
        let count = self.unreported.swap(0, Relaxed);
        self.reported.fetch_add(count, Relaxed);
        (count > 0).then_some(count)
    }
}

#[derive(Debug)]
enum Message {
    /// A box has no spare room that would not be counted.
    Line(Box<str>, Kind),
    Flush(SyncSender<()>),
}

impl Stdout {
    /// Has a thread write to `output`.
    pub(super) fn new(output: impl Write + Send + 'static) -> Self {
        let (lines, queue) = mpsc::sync_channel(MAX_LINES);
        let (waiting, lost) = (Arc::new(AtomicUsize::new(0)), Arc::new(Lost::default()));
        let (written, unwritten) = (Arc::clone(&waiting), Arc::clone(&lost));
        let writer = move || {
            let mut output = WholeLines::new(output);
            let mut batch = Batch::default();
            let mut write = |batch: &mut Batch| {
                output.write_batch(batch, |kind| unwritten.add(kind));
                written.fetch_sub(batch.bytes.len(), Relaxed);
                batch.clear();
            };
            while let Ok(first) = queue.recv() {
                for message in iter::once(first).chain(queue.try_iter()) {
                    match message {
                        Message::Line(line, kind) => batch.push(&line, kind),
                        Message::Flush(done) => {
                            write(&mut batch);
                            _ = done.send(());
                        }
                    }
                    if batch.bytes.len() >= FULL {
                        write(&mut batch);
                    }
                }
                write(&mut batch);
                // Waking a thread costs a request more than its line does. Lines that come meanwhile need not.
                thread::sleep(PAUSE);
            }
        };
        // Without the thread every line is lost, and counted.
        _ = thread::Builder::new().name("log".to_owned()).spawn(writer);
        Self {
            lines,
            waiting,
            lost,
        }
    }

    pub(super) fn send(&self, line: String) {
        self.report_lost();
        self.try_send(line, Kind::Line);
    }

    /// The lines that were lost since the start.
    pub(super) fn lost_in_all(&self) -> u64 {
        let Lost {
            unreported,
            reported,
        } = &*self.lost;
        unreported.load(Relaxed) + reported.load(Relaxed)
    }

    fn report_lost(&self) {
        if let Some(count) = self.lost.report() {
            self.try_send(lost_line(count), Kind::Report(count));
        }
    }

    pub(super) fn flush(&self) {
        self.report_lost();
        let (done, flushed) = mpsc::sync_channel(1);
        if self.lines.try_send(Message::Flush(done)).is_ok() {
            // The end of the process does not wait for a reader that has stopped.
            _ = flushed.recv_timeout(Duration::from_secs(1));
        }
    }

    /// Sends a line, if there is room for it.
    fn try_send(&self, line: String, kind: Kind) {
        let length = line.len();
        let waiting = self
            .waiting
            .fetch_add(length, Relaxed)
            .saturating_add(length);
        let line = Message::Line(line.into_boxed_str(), kind);
        let fits = waiting <= MAX_WAITING && self.lines.try_send(line).is_ok();
        if !fits {
            self.waiting.fetch_sub(length, Relaxed);
            self.lost.add(kind);
        }
    }
}

/// Standard output without the standard library's buffer, which would keep what could not be written, and write it
/// later.
#[derive(Debug)]
pub(super) struct Unbuffered;

impl Write for Unbuffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line in place of lost ones.
fn lost_line(count: u64) -> String {
    let text = prefixed(Level::Warning, lost(count).as_bytes());
    tagged(Level::Warning, &text)
}

/// Lines that may wait, however short they are: each costs some bytes besides its own.
const MAX_LINES: usize = 4096;
/// Bytes that are written at once at the latest: as many as a pipe takes.
const FULL: usize = 65536;
/// How long lines gather. So many do not come in that time.
const PAUSE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Read, pipe},
        sync::Mutex,
        thread,
    };

    use super::*;

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
            let lost = stdout.lost_in_all();
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

    #[test]
    fn lines_that_could_not_be_written_are_counted_and_none_is_joined_with_another() {
        let disk = Disk::default();
        let stdout = Stdout::new(disk.clone());
        let send = |line: &str| {
            stdout.send(line.to_owned());
            // Until it has been tried.
            while stdout.waiting.load(Relaxed) > 0 {
                thread::yield_now();
            }
        };
        disk.0.lock().unwrap().room = 10;
        for line in ["first\n", "second\n", "third\n"] {
            send(line);
        }
        disk.0.lock().unwrap().room = 3;
        // Neither this nor what is said of the others has room.
        send("fourth\n");
        disk.0.lock().unwrap().room = 1000;
        send("fifth\n");
        let of_loss = "[LOG warning]: warning: 3 log lines were lost\n";
        let written = String::from_utf8(disk.0.lock().unwrap().written.clone()).unwrap();
        assert_eq!(written, format!("first\nseco\n[L\n{of_loss}fifth\n"));
    }

    /// A file system that has room for so many bytes.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<Capacity>>);

    #[derive(Default)]
    struct Capacity {
        room: usize,
        written: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            let fits = bytes.len().min(disk.room);
            if fits == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.room -= fits;
            disk.written.extend(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The bytes that a pipe holds.
    const PIPE: usize = 65536;
}
