//! The view of a measurement while it goes on: a line now and then, or a screen.
//!
//! Another thread writes it, and what it has no time for is left out: a slow terminal delays no request.

use std::{
    io::{self, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use super::{
    format::{count, nanoseconds},
    plan::Plan,
    screen::Screen,
    tally::{Counts, Tally},
};

/// How a measurement stands.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Since its begin, and since the snapshot before.
    pub(crate) elapsed: Duration,
    pub(crate) period: Duration,
    /// The part that is done, where that is known.
    pub(crate) done: Option<f64>,
    pub(crate) is_warm_up: bool,
    pub(crate) counts: Counts,
    /// In nanoseconds: of the period, and of the measurement.
    pub(crate) recent: Histogram<u64>,
    pub(crate) latency: Histogram<u64>,
}

/// The way of watching.
#[derive(Debug)]
pub(crate) enum Watch {
    /// Lines on standard error.
    Lines,
    /// A screen on standard output, under this title.
    Screen(String),
}

#[derive(Debug)]
pub(crate) struct Live {
    every: Duration,
    last: Instant,
    sender: SyncSender<Snapshot>,
    thread: JoinHandle<()>,
}

impl Live {
    pub(crate) fn start(watch: Watch, every: Duration, now: Instant) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(1);
        let thread = thread::Builder::new().spawn(move || match watch {
            Watch::Lines => lines(&receiver),
            Watch::Screen(title) => screen(title, &receiver),
        })?;
        Ok(Self {
            every,
            last: now,
            sender,
            thread,
        })
    }

    /// Shows how it stands, if it is time to.
    pub(crate) fn show(&mut self, now: Instant, plan: &Plan, tally: &mut Tally) {
        let period = now.saturating_duration_since(self.last);
        let Some(since) = tally.recent.as_mut().filter(|_| period >= self.every) else {
            return;
        };
        self.last = now;
        let recent = since.clone();
        since.reset();
        // Full: it is still writing the one before.
        _ = self.sender.try_send(Snapshot {
            elapsed: now.saturating_duration_since(plan.begin()),
            period,
            done: plan.done(now),
            is_warm_up: now < plan.measured_from(),
            counts: tally.counts,
            recent,
            latency: tally.latency.clone(),
        });
    }

    /// Leaves the terminal as it was.
    pub(crate) fn end(self) {
        drop(self.sender);
        // It does not panic, and there would be nothing to be done.
        _ = self.thread.join();
    }
}

impl Snapshot {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.recent.len() as f64 / self.period.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn line(&self) -> String {
        let recent = |part| nanoseconds(self.recent.value_at_quantile(part));
        let counts = &self.counts;
        let mut line = format!(
            "{:7.1} s  {:>9}/s  p50 {:>7}  p99 {:>7}  max {:>7}",
            self.elapsed.as_secs_f64(),
            count(self.rate().round() as u64),
            recent(0.5),
            recent(0.99),
            recent(1.0),
        );
        let others = [
            ("missing", counts.all_missing()),
            ("wrong", counts.wrong),
            ("default", counts.by_default),
        ];
        for (name, number) in others.iter().filter(|(_, number)| *number > 0) {
            line += &format!("  {name} {}", count(*number));
        }
        if self.is_warm_up {
            line += "  (warm-up)";
        }
        line
    }
}

fn lines(receiver: &Receiver<Snapshot>) {
    let mut err = io::stderr();
    for snapshot in receiver {
        // Nobody reads them any more: the measurement goes on.
        _ = writeln!(err, "{}", snapshot.line());
    }
}

fn screen(title: String, receiver: &Receiver<Snapshot>) {
    let mut screen = Screen::new(title);
    let mut out = io::stdout();
    // The alternate screen, without a cursor.
    _ = out.write_all(b"\x1b[?1049h\x1b[?25l");
    for snapshot in receiver {
        let size = rustix::termios::tcgetwinsize(&out);
        let size = size.map_or((80, 24), |size| (size.ws_col, size.ws_row));
        let frame = screen.frame(&snapshot, size.0.into(), size.1.into());
        _ = out.write_all(frame.as_bytes()).and_then(|()| out.flush());
    }
    _ = out.write_all(b"\x1b[?25h\x1b[?1049l");
    _ = out.flush();
}
