//! The view of a measurement while it goes on: a line now and then, or a screen.
//!
//! Another thread writes it, and what it has no time for is left out: a slow terminal delays no request.

use std::{
    io::{self, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{plan::Plan, screen::Screen, snapshot::Snapshot, tally::Tally};

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
