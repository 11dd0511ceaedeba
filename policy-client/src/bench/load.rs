//! The load: many connections and one thread that never waits for one of them, so that it takes little from what is
//! measured.

use std::{
    collections::VecDeque,
    io,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use mio::{Events, Poll};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    client::{Client, Target},
    judge::Judge,
    live::Live,
    mix::Mix,
    plan::{Plan, Turn},
    tally::{Loss, Tally},
};

/// How long a connection lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Life {
    Kept,
    Message,
    Request,
}

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) target: Target,
    pub(crate) connections: usize,
    pub(crate) life: Life,
    pub(crate) timeout: Duration,
}

#[derive(Debug)]
pub(crate) struct Load<'a> {
    pub(super) settings: Settings,
    pub(super) poll: Poll,
    pub(super) plan: Plan,
    pub(super) mix: Mix,
    pub(super) judge: Judge,
    pub(super) tally: Tally,
    pub(super) clients: Vec<Client>,
    /// Those with nothing under way; the one that has waited longest is the next.
    pub(super) free: VecDeque<usize>,
    /// Those that could not connect, until then.
    pub(super) resting: VecDeque<(Instant, usize)>,
    /// Those whose server has no room in its queue for another connection.
    pub(super) queueing: Vec<usize>,
    /// How many messages have begun, and how many requests are under way.
    pub(super) messages: u64,
    pub(super) under_way: u64,
    /// When it was last looked for requests whose time is over.
    looked: Instant,
    /// How often that is done.
    tick: Duration,
    /// When nothing is sent any more, however much is left.
    too_late: Option<Instant>,
    stop: &'a AtomicBool,
    live: Option<Live>,
}

/// What has come of a load.
pub(crate) struct Outcome<'a> {
    pub(crate) tally: &'a Tally,
    pub(crate) judge: &'a Judge,
    pub(crate) warm_up: Duration,
    /// Of the measurement, without the warm-up.
    pub(crate) elapsed: Duration,
    pub(crate) under_way: u64,
    pub(crate) was_interrupted: bool,
}

impl<'a> Load<'a> {
    pub(crate) fn new(
        settings: Settings,
        plan: Plan,
        mix: Mix,
        judge: Judge,
        stop: &'a AtomicBool,
        live: Option<Live>,
    ) -> io::Result<Self> {
        let clients: Vec<_> = (0..settings.connections)
            .map(|_| Client::default())
            .collect();
        Ok(Self {
            poll: Poll::new()?,
            free: (0..clients.len()).collect(),
            // Each tenth of the time is often enough.
            tick: (settings.timeout / 10).min(TICK),
            too_late: plan.end().map(|end| end + settings.timeout),
            settings,
            plan,
            mix,
            judge,
            tally: Tally::new(live.is_some()).map_err(io::Error::other)?,
            clients,
            resting: VecDeque::new(),
            queueing: Vec::new(),
            messages: 0,
            under_way: 0,
            looked: Instant::now(),
            stop,
            live,
        })
    }

    /// Has the next run be by this plan, over the connections that are open. What has come so far is forgotten.
    pub(crate) fn plan(&mut self, plan: Plan) -> io::Result<()> {
        self.too_late = plan.end().map(|end| end + self.settings.timeout);
        self.plan = plan;
        self.tally = Tally::new(self.live.is_some()).map_err(io::Error::other)?;
        Ok(())
    }

    /// Goes on until all is answered, or given up, or until it is stopped.
    pub(crate) fn run(&mut self) -> io::Result<Outcome<'_>> {
        let mut events = Events::with_capacity(1024);
        // Made once: a new one for each answer would cost more than all else that is done here.
        let mut buffer = vec![0; READ];
        let was_interrupted = loop {
            if self.stop.load(Relaxed) {
                break true;
            }
            let now = Instant::now();
            self.give_up(now);
            self.connect_again(now);
            let next = self.dispatch(now);
            if next == Turn::Over && self.under_way == 0 {
                break false;
            }
            if let Some(live) = &mut self.live {
                live.show(now, &self.plan, &mut self.tally);
            }
            self.wait(&mut events, next, now)?;
            for event in &events {
                self.event(event, &mut buffer);
            }
        };
        if !was_interrupted {
            let unsent = self.plan.unsent();
            self.tally.counts.requests += unsent;
            self.tally.lost(Loss::Unsent, unsent);
        }
        let now = Instant::now();
        let end = self
            .plan
            .ended(self.tally.last_answer, was_interrupted, now);
        if let Some(live) = self.live.take() {
            live.end();
        }
        let warm_up_end = self.plan.measured_from().min(end);
        Ok(Outcome {
            warm_up: warm_up_end.saturating_duration_since(self.plan.begin()),
            elapsed: end.saturating_duration_since(self.plan.measured_from()),
            tally: &self.tally,
            judge: &self.judge,
            under_way: self.under_way,
            was_interrupted,
        })
    }

    /// Sends what is due as long as there are clients for it; what comes then.
    pub(super) fn dispatch(&mut self, now: Instant) -> Turn {
        loop {
            let turn = self.next(now);
            let Turn::Due {
                planned,
                is_measured,
            } = turn
            else {
                return turn;
            };
            let Some(number) = self.free.pop_front() else {
                return turn;
            };
            self.plan.take(is_measured);
            self.ask(number, planned, is_measured, now);
        }
    }

    /// What should have been sent long ago is not sent any more.
    fn next(&self, now: Instant) -> Turn {
        if self.too_late.is_some_and(|end| now >= end) {
            Turn::Over
        } else {
            self.plan.next(now)
        }
    }

    /// Gives up requests that were not answered in time.
    pub(super) fn give_up(&mut self, now: Instant) {
        if now.saturating_duration_since(self.looked) < self.tick {
            return;
        }
        let timeout = self.settings.timeout;
        self.looked = now;
        for number in 0..self.clients.len() {
            let asked = self.clients.get(number).and_then(|client| client.asked);
            if asked.is_some_and(|asked| now.saturating_duration_since(asked.sent) >= timeout) {
                self.lose(number, Loss::TimedOut, now);
            }
        }
    }

    fn connect_again(&mut self, now: Instant) {
        while let Some((_, number)) = self.resting.front().filter(|(until, _)| *until <= now) {
            self.free.push_back(*number);
            self.resting.pop_front();
        }
        for number in std::mem::take(&mut self.queueing) {
            let client = self.clients.get(number);
            // It may have given up, and begun anew.
            if client.is_some_and(|client| client.stream.is_none()) {
                self.send(number, now);
            }
        }
    }

    /// Waits until something comes, or is to be done.
    fn wait(&mut self, events: &mut Events, next: Turn, now: Instant) -> io::Result<()> {
        let mut pause = self.tick;
        let rest = self.resting.front().map(|(until, _)| *until);
        let planned = if let Turn::At(at) = next {
            Some(at)
        } else {
            None
        };
        for time in [rest, planned].into_iter().flatten() {
            pause = pause.min(time.saturating_duration_since(now));
        }
        if !self.queueing.is_empty() {
            pause = pause.min(MILLISECOND);
        }
        if planned.is_some() && !pause.is_zero() {
            // To the microsecond: epoll_wait(2) knows milliseconds, which would be a latency of our own.
            let pause = Timespec::try_from(pause).map_err(io::Error::other)?;
            let mut wait = [PollFd::new(self.poll.registry(), PollFlags::IN)];
            match poll(&mut wait, Some(&pause)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if planned.is_some() {
            pause = Duration::ZERO;
        }
        match self.poll.poll(events, Some(pause)) {
            // A signal; what it wants is looked at next.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            polled => polled,
        }
    }
}

/// How often it is looked for requests whose time is over, at the least.
const TICK: Duration = Duration::from_millis(50);
/// More than an answer has, in bytes.
const READ: usize = 4096;
const MILLISECOND: Duration = Duration::from_millis(1);
