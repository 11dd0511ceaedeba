//! The event loop of a worker.

use std::{
    io, mem,
    sync::Arc,
    time::{Duration, Instant},
};

use mio::{Events, Poll};
use policy_flow::{Check, Upstream};

use crate::{
    daemon::{
        listen::socket::Bound,
        process::signals::Signals,
        shutdown::Said,
        worker::{Common, admission::peer_of},
    },
    proxy::{
        clients::ClientSockets,
        driver::Driver,
        flow_io::FlowIo,
        links::Links,
        listeners::Listeners,
        mailbox::{Mailbox, Message},
        token::{SIGNALS, Source},
    },
};

/// The event loop of a worker: one thread, so that a request stays on one core.
#[derive(Debug)]
pub(crate) struct EventLoop {
    poll: Poll,
    events: Events,
    pub(super) io: FlowIo<ClientSockets>,
    pub(super) listeners: Listeners,
    mailbox: Arc<Mailbox>,
    messages: Vec<Message>,
    /// What the main thread is told, if this is its loop.
    said: Vec<Said>,
    signals: Option<Signals>,
    pub(super) common: Arc<Common>,
    pub(super) worker: usize,
    state: State,
    next_pulse: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Serving,
    /// Nothing more is accepted, and requests under way have until then.
    Draining(Option<Instant>),
    Ended,
}

impl EventLoop {
    /// Workers are counted from 0. The mailbox waits at this `poll`, and is the worker's own in `common`.
    pub(crate) fn new(
        worker: usize,
        poll: Poll,
        sockets: &[Bound],
        common: &Arc<Common>,
    ) -> io::Result<Self> {
        let mailbox = common.crew.mailbox(worker).ok_or(io::ErrorKind::NotFound)?;
        let registry = Arc::new(poll.registry().try_clone()?);
        let clients = ClientSockets::new(Arc::clone(&registry), Arc::clone(common), worker);
        let backends = Arc::clone(&common.proxy.backends);
        let links = Links::new(registry, backends, Arc::clone(mailbox));
        let driver = Driver::new(clients, links, Arc::clone(&common.proxy));
        let flow = common
            .proxy
            .flow(worker, common.places.clone(), common.memory.clone());
        let io = FlowIo::new(flow, driver);
        Ok(Self {
            listeners: Listeners::new(sockets, poll.registry())?,
            next_pulse: common.pulses.as_ref().map(|_| io.now),
            poll,
            events: Events::with_capacity(EVENTS),
            io,
            mailbox: Arc::clone(mailbox),
            messages: Vec::new(),
            said: Vec::new(),
            signals: None,
            common: Arc::clone(common),
            worker,
            state: State::Serving,
        })
    }

    /// Looks at services that are down: one worker is to do it.
    pub(crate) fn check(&mut self, check: Check) {
        if let Some(upstream) = self.io.flow.upstream_mut() {
            upstream.check(check);
        }
    }

    /// Hears signals as well: that of the main thread does.
    pub(crate) fn hear_signals(&mut self, signals: Signals) -> io::Result<()> {
        signals.register(self.poll.registry(), SIGNALS)?;
        self.signals = Some(signals);
        Ok(())
    }

    /// What the main thread has been told.
    pub(crate) fn take_said(&mut self) -> Vec<Said> {
        mem::take(&mut self.said)
    }

    /// Serves connections until it is told to stop, then the requests under way.
    pub(crate) fn serve(&mut self) -> io::Result<()> {
        while !self.has_ended() {
            self.turn(None)?;
        }
        Ok(())
    }

    /// Whether it has stopped, and no request is under way.
    pub(crate) fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Whether it has not been told to stop.
    pub(super) fn is_serving(&self) -> bool {
        self.state == State::Serving
    }

    /// What it has of the backends' connections is free for other workers.
    fn end(&mut self) {
        self.state = State::Ended;
        self.listeners.end(self.poll.registry());
        if let Some(upstream) = self.io.flow.upstream_mut() {
            upstream.close_idle(&mut self.io.driver);
        }
    }

    /// Waits until something happens, for this long at most, and does what is to be done then.
    ///
    /// Data counts before a time-out: if one is over by the clock, the system is asked once more what has come, which it
    /// did before that.
    pub(crate) fn turn(&mut self, limit: Option<Duration>) -> io::Result<()> {
        let mut is_complete = self.wait(self.patience(limit))?;
        self.io.set_now();
        self.report();
        if !is_complete || self.io.is_due() {
            for _ in 0..MAX_REPEATS {
                is_complete = self.wait(Some(Duration::ZERO))?;
                self.report();
                if is_complete {
                    break;
                }
            }
        }
        self.io.resume_links();
        self.io.resume_clients();
        self.accept();
        self.io.tick();
        self.beat();
        self.publish();
        self.end_if_drained();
        Ok(())
    }

    /// Asks the system what has happened: whether that was all.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => Ok(self.events.iter().count() < EVENTS),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How long there is nothing to do unless something happens.
    fn patience(&self, limit: Option<Duration>) -> Option<Duration> {
        if self.io.driver.clients.has_resumed() {
            return Some(Duration::ZERO);
        }
        let now = self.io.now;
        let end = match self.state {
            State::Draining(end) => end,
            _ => None,
        };
        let all = [
            self.io.flow.next_timer(),
            self.listeners.next(now),
            self.next_pulse,
            end,
        ];
        let next = all.into_iter().flatten().min();
        let next = next.map(|next| next.saturating_duration_since(now));
        [next, limit].into_iter().flatten().min()
    }

    /// Reports what the system has told: what comes from backends first, then what comes from clients.
    fn report(&mut self) {
        for event in &self.events {
            if let Source::Link(index) = Source::of(event.token()) {
                self.io.link_event(index, event);
            }
        }
        let mut has_messages = false;
        for event in &self.events {
            match Source::of(event.token()) {
                Source::Client(index) => self.io.client_event(index, event),
                Source::Listener(index) => self.listeners.heard(index),
                Source::Mailbox => has_messages = true,
                Source::Signals => {
                    let signals = self.signals.as_mut().map(Signals::take);
                    self.said
                        .extend(signals.into_iter().flatten().map(Said::Signal));
                }
                Source::Link(_) => {}
            }
        }
        if has_messages {
            self.read_messages();
        }
        self.events.clear();
    }

    fn read_messages(&mut self) {
        let mut messages = mem::take(&mut self.messages);
        self.mailbox.take(&mut messages);
        for message in messages.drain(..) {
            match message {
                Message::Connection(connection, before, made) => {
                    if let Some(peer) = peer_of(&connection) {
                        self.admit(connection, peer, before, made);
                    }
                }
                Message::Resolved(slot, found) => {
                    self.io.flow.resolved(slot, found, &mut self.io.driver);
                }
                Message::Wake => self.io.flow.woken(&mut self.io.driver),
                Message::Drain(time) => self.drain(time),
                Message::Said(said) => self.said.push(said),
                Message::End => self.end(),
            }
        }
        self.messages = messages;
    }

    fn drain(&mut self, time: Duration) {
        self.listeners.end(self.poll.registry());
        self.state = State::Draining(self.io.now.checked_add(time));
        self.io.resume_clients();
        self.io.flow.drain(&mut self.io.driver);
    }

    fn end_if_drained(&mut self) {
        let State::Draining(end) = self.state else {
            return;
        };
        let count = self.io.flow.clients().len();
        let is_late = end.is_some_and(|end| end <= self.io.now);
        if count > 0 && is_late {
            self.common.proxy.journal.cut_off(count);
        }
        if count == 0 || is_late {
            self.end();
        }
    }

    /// Shows that this worker turns.
    fn beat(&mut self) {
        if let Some(pulses) = &self.common.pulses
            && self.next_pulse.is_some_and(|next| next <= self.io.now)
        {
            pulses.beat(self.worker);
            self.next_pulse = self.io.now.checked_add(pulses.pause);
        }
    }

    /// Tells others how short of memory it is.
    fn publish(&self) {
        let flow = &self.io.flow;
        let clients = flow.clients();
        let upstream = flow.upstream();
        let begun = upstream.map_or(0, Upstream::memory_waits);
        let now = upstream.map_or(0, Upstream::short_of_memory);
        if let Some(waits) = self.common.memory_waits.get(self.worker) {
            waits.set(
                clients.memory_waits() + begun,
                clients.short_of_memory() + now,
            );
        }
    }
}

/// As many events as are heard of at a time.
const EVENTS: usize = 1024;
/// How often the system is asked again in one turn, where it has more to tell.
const MAX_REPEATS: usize = 16;
