//! A daemon's log on standard output, which may be a pipe that is not read: a thread writes, and few lines wait for it.

use std::{
    io::{self, Write},
    mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{self, SyncSender},
    },
    thread,
    time::Duration,
};

use super::{
    batch::{Batch, Kind, WholeLines},
    entry::Record,
    lost::MAX_WAITING,
    stdout_form::StdoutForm,
};

/// Lines on their way to a thread that writes them. A line that does not fit, or cannot be written, is lost and counted,
/// and the count is reported as soon as a line fits again.
#[derive(Debug)]
pub(super) struct Stdout(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    form: StdoutForm,
    state: Mutex<State>,
    /// There is something to do for the thread.
    changed: Condvar,
}

/// Both sides copy lines, or take all of them at once, while they hold it, and no longer.
#[derive(Debug, Default)]
struct State {
    /// The lines that wait.
    batch: Batch,
    /// Their bytes, and those of the lines that are being written.
    waiting: usize,
    /// Who wants to know when they are written.
    flushes: Vec<SyncSender<()>>,
    /// The thread waits for a change.
    is_idle: bool,
    /// No more lines come, or no thread writes them.
    is_over: bool,
    /// Lost lines that no line has reported yet.
    unreported: u64,
    /// Those that some line has reported, written or on its way.
    reported: u64,
}

impl State {
    /// One more line, if there is room for it.
    fn push(&mut self, line: &[&str], kind: Kind) {
        let length: usize = line.iter().map(|part| part.len()).sum();
        let fits = self.waiting + length <= MAX_WAITING && self.batch.len() < MAX_LINES;
        if fits && !self.is_over {
            self.batch.push(line, kind);
            self.waiting += length;
        } else {
            self.lose(kind);
        }
    }

    /// A line is lost: one of those of the log, or one that reported so many.
    fn lose(&mut self, line: Kind) {
        match line {
            Kind::Line => self.unreported += 1,
            Kind::Report(count) => {
                self.unreported += count;
                self.reported -= count;
            }
        }
    }

    /// Adds a line about those that no line has reported.
    fn report_lost(&mut self, form: &StdoutForm) {
        let count = mem::take(&mut self.unreported);
        if count > 0 {
            self.reported += count;
            form.lost(count, |line| self.push(line, Kind::Report(count)));
        }
    }
}

impl Stdout {
    /// Has a thread write lines of this form to `output`.
    pub(super) fn new(output: impl Write + Send + 'static, form: StdoutForm) -> Self {
        let shared = Arc::new(Shared {
            form,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        let writer = move || of_thread.write(WholeLines::new(output));
        let thread = thread::Builder::new().name("log".to_owned()).spawn(writer);
        // Without the thread every line is lost, and counted.
        shared.lock().is_over = thread.is_err();
        Self(shared)
    }

    pub(super) fn send(&self, record: &Record<'_>) {
        self.0.form.line(record, |line| self.take(line));
    }

    /// Takes a line, of these parts.
    fn take(&self, line: &[&str]) {
        self.0.change(|state| {
            state.report_lost(&self.0.form);
            state.push(line, Kind::Line);
        });
    }

    /// The lines that were lost since the start.
    pub(super) fn lost_in_all(&self) -> u64 {
        let state = self.0.lock();
        state.unreported + state.reported
    }

    pub(super) fn flush(&self) {
        let (done, flushed) = mpsc::sync_channel(1);
        self.0.change(|state| {
            state.report_lost(&self.0.form);
            if !state.is_over {
                state.flushes.push(done);
            }
        });
        // The end of the process does not wait for a reader that has stopped.
        _ = flushed.recv_timeout(Duration::from_secs(1));
    }
}

impl Drop for Stdout {
    fn drop(&mut self) {
        self.0.change(|state| state.is_over = true);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes the thread if it waits for that.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let is_idle = mem::take(&mut state.is_idle);
        drop(state);
        if is_idle {
            self.changed.notify_one();
        }
    }

    /// Writes what comes, to the end.
    fn write(&self, mut output: WholeLines<impl Write>) {
        let (mut batch, mut lost) = (Batch::default(), Vec::new());
        loop {
            let mut state = self.lock();
            while state.batch.len() == 0 && state.flushes.is_empty() {
                if state.is_over {
                    return;
                }
                state.is_idle = true;
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            mem::swap(&mut batch, &mut state.batch);
            let flushes = mem::take(&mut state.flushes);
            drop(state);
            output.write_batch(&batch, |kind| lost.push(kind));
            let mut state = self.lock();
            state.waiting -= batch.bytes.len();
            lost.drain(..).for_each(|kind| state.lose(kind));
            drop(state);
            batch.clear();
            for done in flushes {
                _ = done.send(());
            }
            // Waking a thread costs a request more than its line does. Lines that come meanwhile need not.
            thread::sleep(PAUSE);
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

/// Lines that may wait, however short they are: each costs some bytes besides its own.
const MAX_LINES: usize = 4096;
/// How long lines gather. So many do not come in that time.
const PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests;
