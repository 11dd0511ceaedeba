//! The event loop of a worker.

use std::{
    io, mem,
    sync::Arc,
    time::{Duration, Instant},
};

use policy_daemon::{
    Worker,
    worker::{self, Listener},
};
use policy_flow::{Check, Slot, Upstream};
use policy_socket::Endpoint;

use crate::{
    journal::Journal,
    proxy::{
        Proxy,
        clients::ClientSockets,
        driver::Driver,
        flow_io::FlowIo,
        links::Links,
        listeners::Listeners,
        message::{Context, Message},
        socket::{Poller, Side, Source},
    },
};

/// The event loop of a worker: one thread, so that a request stays on one core.
#[derive(Debug)]
pub(crate) struct EventLoop {
    poller: Poller,
    pub(super) io: FlowIo<ClientSockets>,
    pub(super) listeners: Listeners,
    messages: Vec<worker::Message<Message>>,
    pub(super) context: Arc<Context>,
    /// The numbers by which its state machine knows the services, in the order of the settings.
    pub(super) slots: Vec<Slot>,
    state: State,
    next_beat: Option<Instant>,
    /// Requests that have had to wait for memory, and those that wait, as others know them.
    published: (u64, usize),
}

impl Worker for EventLoop {
    /// Serves connections until it is told to stop, then the requests in progress.
    fn run(mut self) -> io::Result<()> {
        while !self.has_ended() {
            self.turn(None)?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Serving,
    /// Nothing more is accepted, and requests under way have until then.
    Draining(Option<Instant>),
    Ended,
}

impl EventLoop {
    /// A worker of this daemon. It looks at services that are down, if it is told how to `check` them.
    pub(crate) fn new(
        mut context: Context,
        proxy: &Arc<Proxy>,
        check: Option<Check>,
    ) -> io::Result<Self> {
        let inbox = Arc::clone(context.inbox());
        let (poller, registry) = Poller::new(EVENTS, &inbox)?;
        let number = |endpoint: &Endpoint| proxy.listener_at(endpoint);
        let listeners = Listeners::new(context.take_listeners(), number, &registry)?;
        let context = Arc::new(context);
        let clients = ClientSockets::new(
            Arc::clone(&registry),
            Arc::clone(proxy),
            Arc::clone(&context),
        );
        let links = Links::new(registry, Arc::clone(&proxy.backends), inbox);
        let driver = Driver::new(clients, links, Arc::clone(proxy), context.index());
        let mut flow = proxy.flow(context.index());
        if let Some((upstream, check)) = flow.upstream_mut().zip(check) {
            upstream.check(check);
        }
        let io = FlowIo::new(flow, driver);
        Ok(Self {
            listeners,
            next_beat: context.beat_interval().map(|_| io.now),
            poller,
            io,
            messages: Vec::new(),
            context,
            slots: (0..)
                .map(Slot::from_index)
                .take(proxy.service_metrics.len())
                .collect(),
            state: State::Serving,
            published: (0, 0),
        })
    }

    /// Whether it has stopped, and no request is under way.
    pub(crate) fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.io.driver.proxy.journal
    }

    /// Whether it has not been told to stop.
    pub(super) fn is_serving(&self) -> bool {
        self.state == State::Serving
    }

    /// Its permits for connections to backends are free for other workers.
    fn end(&mut self) {
        self.state = State::Ended;
        self.listeners.end(self.poller.registry());
        if let Some(upstream) = self.io.flow.upstream_mut() {
            upstream.close_idle(&mut self.io.driver);
        }
    }

    /// Waits until something happens, for this long at most, and does what is to be done then.
    ///
    /// Data counts before a time-out: if one is over by the clock, the system is asked once more what has come, which it
    /// did before that.
    pub(crate) fn turn(&mut self, limit: Option<Duration>) -> io::Result<()> {
        let mut is_complete = self.poller.wait(self.patience(limit))?;
        self.io.set_now();
        self.report();
        if !is_complete || self.io.is_due() {
            for _ in 0..MAX_REPEATS {
                is_complete = self.poller.wait(Some(Duration::ZERO))?;
                self.report();
                if is_complete {
                    break;
                }
            }
        }
        self.io.resume_links();
        self.io.resume_clients();
        if self.listeners.has_ready() {
            self.accept();
        }
        self.io.tick();
        self.beat();
        self.publish();
        self.end_if_drained();
        Ok(())
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
        let all = [self.listeners.next(now), self.next_beat, end];
        let next = all.into_iter().flatten().min();
        let next = next.map(|next| next.saturating_duration_since(now));
        [self.io.flow.time_left(), next, limit]
            .into_iter()
            .flatten()
            .min()
    }

    /// Reports what the system has told: what comes from backends first, then what comes from clients.
    fn report(&mut self) {
        self.io.link_events(&self.poller);
        let mut has_others = false;
        for event in self.poller.events() {
            let token = event.token();
            if let Some(index) = Side::Clients.index_of(token) {
                self.io.client_event(index, event);
            } else {
                has_others |= Side::Backends.index_of(token).is_none();
            }
        }
        if has_others {
            self.report_others();
        }
        self.poller.clear();
    }

    /// Reports what is no connection's.
    #[cold]
    fn report_others(&mut self) {
        let mut has_messages = false;
        for event in self.poller.events() {
            match Source::of(event.token()) {
                Source::Listener(index) => self.listeners.heard(index),
                Source::Inbox => has_messages = true,
                Source::Link(_) | Source::Client(_) => {}
            }
        }
        if has_messages {
            self.read_messages();
        }
    }

    fn read_messages(&mut self) {
        let mut messages = mem::take(&mut self.messages);
        self.context.take_messages(&mut messages);
        for message in messages.drain(..) {
            match message {
                worker::Message::Connection(transfer) => self.take(transfer),
                worker::Message::Service(Message::Resolved(slot, found)) => {
                    self.io.flow.resolved(slot, found, &mut self.io.driver);
                }
                worker::Message::Service(Message::Wake) => {
                    self.io.flow.woken(&mut self.io.driver);
                }
                worker::Message::Service(Message::Exchange(exchange)) => {
                    self.exchange(&exchange);
                    // The main thread may have stopped waiting.
                    _ = exchange.done.send(());
                }
                worker::Message::Service(Message::Listen(listeners, done)) => {
                    self.listen(listeners);
                    _ = done.send(());
                }
                worker::Message::Drain(time) => self.drain(time),
                worker::Message::Shutdown => self.end(),
            }
        }
        self.messages = messages;
    }

    /// Goes on with these listeners. Who waits at one that is left is served, as far as one turn goes.
    fn listen(&mut self, listeners: Vec<Listener>) {
        if !self.is_serving() {
            return;
        }
        self.listeners.look();
        self.accept();
        let proxy = Arc::clone(&self.io.driver.proxy);
        let number = |endpoint: &Endpoint| proxy.listener_at(endpoint);
        let exchanged = self
            .listeners
            .exchange(listeners, number, self.poller.registry());
        if let Err(error) = exchanged {
            self.journal().cannot_accept(&error);
        }
    }

    fn drain(&mut self, time: Duration) {
        self.listeners.end(self.poller.registry());
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
            self.journal().cut_off(count);
        }
        if count == 0 || is_late {
            self.end();
        }
    }

    /// Shows the watchdog that this worker turns.
    fn beat(&mut self) {
        if self.next_beat.is_some_and(|next| next <= self.io.now) {
            self.context.beat();
            let interval = self.context.beat_interval();
            self.next_beat = interval.and_then(|interval| self.io.now.checked_add(interval));
        }
    }

    /// Tells others how short of memory it is.
    fn publish(&mut self) {
        let flow = &self.io.flow;
        let clients = flow.clients();
        let upstream = flow.upstream();
        let begun = clients.memory_waits() + upstream.map_or(0, Upstream::memory_waits);
        let now = clients.short_of_memory() + upstream.map_or(0, Upstream::short_of_memory);
        let waits = &self.io.driver.proxy.memory_waits;
        if self.published != (begun, now)
            && let Some(waits) = waits.get(self.context.index())
        {
            waits.set(begun, now);
            self.published = (begun, now);
        }
    }
}

/// As many events as are told of at a time. With more, the requests of one turn are in the processor's caches no longer
/// when their answers come: at 2,000 connections 1,024 cost 6 % more time a request.
const EVENTS: usize = 200;
/// How often the system is asked again in one turn, where it has more to tell: until it has told of all clients that there
/// may be, 16,384 by default. An answer that lies behind their requests is not to be too late for that.
const MAX_REPEATS: usize = 100;
const _: () = assert!(EVENTS * MAX_REPEATS > 16_384);
