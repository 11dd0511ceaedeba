//! A daemon that serves, until it has ended: the main thread waits for signals, and tells the workers.

use std::{
    io,
    os::fd::AsFd,
    sync::{Arc, mpsc::Sender},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use policy_socket::Endpoint;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::{
    daemon::restart::server::HandoverServer,
    daemon::start::resources::Resources,
    error::StartError,
    listen::{set::ListenSet, socket::ListenSocket},
    log::{ALL, Level, Log},
    options::{DaemonOptions, Reloaded, Reloading},
    process::{
        signals::{Command, Signals, name_of},
        systemd::{self, notify},
    },
    service::{Service, Started},
    side::SideHandle,
    worker::{Inbox, Message, Shared},
};

/// News from other threads for the main thread.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A successor serves.
    Succeeded,
    /// A worker has ended.
    WorkerEnded,
    /// An administrator has the options read again, and waits for the result.
    Reload(Sender<Reloaded>),
}

/// The addresses where a daemon listens.
#[derive(Debug)]
pub(crate) struct Endpoints {
    pub(crate) clients: Vec<Endpoint>,
    pub(crate) admin: Vec<Endpoint>,
    pub(crate) control: Option<Endpoint>,
}

impl Endpoints {
    /// Those of all sockets.
    pub(crate) fn of(sockets: &ListenSet) -> io::Result<Self> {
        let of = |sockets: &[ListenSocket]| {
            let endpoints = sockets.iter().map(ListenSocket::endpoint);
            endpoints.collect::<io::Result<_>>()
        };
        Ok(Self {
            clients: sockets.with_clients(of)?,
            admin: of(sockets.admin())?,
            control: sockets.control().map(ListenSocket::endpoint).transpose()?,
        })
    }
}

/// A daemon that has taken over. Nothing in here keeps it from serving.
#[derive(Debug)]
pub(crate) struct Running<S: Service> {
    service: S,
    options: DaemonOptions,
    endpoints: Endpoints,
    sockets: Arc<ListenSet>,
    shared: Arc<Shared<S::Message>>,
    events: Arc<Inbox<Event>>,
    /// Whether a service manager stores connections for the next process.
    has_store: bool,
    shutdown: Shutdown,
    /// Tells the manager that this is the end.
    stopping: Option<JoinHandle<()>>,
    status: Status,
    /// Workers that have not ended.
    workers: usize,
    /// A worker has ended too early.
    has_failed: bool,
}

/// The service's status on its way to the manager, which may be slow to read.
#[derive(Debug, Default)]
struct Status {
    waiting: Option<String>,
    sender: Option<JoinHandle<()>>,
}

impl Status {
    /// Sends the newest status, once the one before has been read.
    fn update(&mut self, status: Option<String>, log: &Log) {
        self.waiting = status.or_else(|| self.waiting.take());
        let is_busy = self
            .sender
            .as_ref()
            .is_some_and(|sender| !sender.is_finished());
        if let Some(status) = self.waiting.take_if(|_| !is_busy) {
            self.sender = systemd::notify_apart(log, format!("STATUS={status}")).ok();
        }
    }
}

/// The steps of a daemon's end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shutdown {
    /// Not shutting down.
    No,
    /// Requests in progress are waited for.
    Draining,
    /// Nothing is waited for.
    AtOnce,
}

impl<S: Service> Running<S> {
    /// Takes over the committed resources. With it comes the server for successors, if there may be one.
    pub(crate) fn new(
        service: S,
        options: &DaemonOptions,
        endpoints: Endpoints,
        resources: Resources,
        shared: Arc<Shared<S::Message>>,
        events: Arc<Inbox<Event>>,
        side: Vec<SideHandle>,
    ) -> (Self, Option<HandoverServer<S::Message>>) {
        let has_store = resources.sockets.has_manager_owned() && systemd::has_manager();
        let sockets = Arc::new(resources.sockets);
        let server = sockets.handover().map(|_| HandoverServer {
            trusted_uids: resources.trusted_uids,
            predecessors: resources.predecessors,
            sockets: Arc::clone(&sockets),
            shared: Arc::clone(&shared),
            side,
            succeeded: {
                let events = Arc::clone(&events);
                Box::new(move || events.send(Event::Succeeded))
            },
        });
        let running = Self {
            service,
            options: options.clone(),
            endpoints,
            sockets,
            workers: shared.workers.len(),
            shared,
            events,
            has_store,
            shutdown: Shutdown::No,
            stopping: None,
            status: Status::default(),
            has_failed: false,
        };
        let (kept, rejected) = (resources.inherited_connections, resources.rejected);
        if rejected.count > 0 {
            let text = format!(
                "the service manager passes {} descriptors that are neither its sockets nor clients: closed",
                rejected.count
            );
            running.log().line(Level::Warning, text);
        }
        if !kept.is_empty() || rejected.count > 0 {
            running.shared.take(kept);
            systemd::empty_store(running.log(), &rejected.names);
        }
        (running, server)
    }

    /// Serves until all workers have ended.
    pub(crate) fn run(mut self, mut signals: Signals) -> Result<(), StartError> {
        self.announce();
        let mut events = Vec::new();
        let mut next_tick = Instant::now();
        while self.workers > 0 {
            self.wait(&signals, next_tick)
                .map_err(StartError::system("cannot wait"))?;
            for command in signals.take() {
                self.obey(command);
            }
            self.events.clear();
            self.events.take(&mut events);
            for event in events.drain(..) {
                self.learn(event);
            }
            if next_tick <= Instant::now() {
                self.tick();
                next_tick = Instant::now() + TICK;
            }
        }
        self.finish()
    }

    /// Waits for a signal, for news, or for the next tick.
    fn wait(&self, signals: &Signals, next_tick: Instant) -> io::Result<()> {
        let pause = next_tick.saturating_duration_since(Instant::now());
        let pause = Timespec::try_from(pause).unwrap_or_default();
        let watch = |source| PollFd::from_borrowed_fd(source, PollFlags::IN);
        let mut watched = [watch(signals.as_fd()), watch(self.events.as_fd())];
        match poll(&mut watched, Some(&pause)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Announces that it serves here.
    fn announce(&self) {
        self.service.started(&self.started());
        if systemd::has_manager() && systemd::notify_apart(self.log(), "READY=1").is_err() {
            notify(self.log(), "READY=1");
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Report => self.service.report(),
            Command::Reload => _ = self.reload(),
            Command::Unknown(number) => {
                let about = usize::try_from(number).unwrap_or(ALL);
                let text = format!("{} is ignored", name_of(number));
                self.notice("signal", about, text);
            }
            Command::Stop => match self.shutdown {
                Shutdown::No => self.stop(),
                Shutdown::Draining => {
                    self.log().info("stopping at once");
                    self.shared.workers.send_all(|| Message::Shutdown);
                    self.shutdown = Shutdown::AtOnce;
                }
                Shutdown::AtOnce => {}
            },
        }
    }

    fn reload(&mut self) -> Reloaded {
        // One that ends takes up nothing more.
        if self.shutdown != Shutdown::No {
            return Reloaded::Failed(vec!["it is stopping".to_owned()]);
        }
        let has_manager = systemd::has_manager();
        if has_manager {
            systemd::reloading(self.log());
        }
        let reloading = Reloading {
            shared: &self.shared,
            sockets: &self.sockets,
            options: &self.options,
        };
        let reloaded = self.service.reload_with(&reloading);
        if reloaded == Reloaded::Unsupported {
            let text = "reload: the options are read at the start only, a restart is needed";
            self.notice("reload", ALL, text.to_owned());
        }
        if let Ok(endpoints) = Endpoints::of(&self.sockets) {
            self.endpoints = endpoints;
        }
        if has_manager {
            notify(self.log(), "READY=1");
        }
        reloaded
    }

    fn learn(&mut self, event: Event) {
        match event {
            Event::Succeeded => self.drain(),
            Event::Reload(reply) => {
                let reloaded = self.reload();
                // Who has asked may have gone.
                _ = reply.send(reloaded);
            }
            Event::WorkerEnded => {
                self.workers = self.workers.saturating_sub(1);
                // A worker that has failed has logged its error: the others end as well.
                self.has_failed |= self.shutdown == Shutdown::No;
                self.drain();
            }
        }
    }

    fn tick(&mut self) {
        let status = self.service.tick();
        if systemd::has_manager() {
            self.status.update(status, self.shared.log.log());
        }
    }

    fn stop(&mut self) {
        self.log().info("stopping");
        // Without the thread the manager is not told: most likely it has asked for the end.
        self.stopping = systemd::notify_apart(self.log(), "STOPPING=1").ok();
        if self.has_store {
            self.shared.handoff.begin(self.log(), systemd::store);
        }
        self.drain();
    }

    /// Has all workers end.
    fn drain(&mut self) {
        if self.shutdown != Shutdown::No {
            return;
        }
        self.shutdown = Shutdown::Draining;
        self.shared.set_stopping();
        let drain = self.options.drain;
        self.shared.workers.send_all(|| Message::Drain(drain));
        // Each worker has a descriptor of its own: the socket would listen until the last one has closed it.
        self.sockets.end();
    }

    /// All workers have ended.
    fn finish(mut self) -> Result<(), StartError> {
        self.shared.handoff.end();
        if self.has_store
            && let Err(error) = systemd::wait_until_read()
        {
            let text = format!("the service manager does not answer: {error}");
            self.log().line(Level::Warning, text);
        }
        self.sockets.remove();
        self.service.stopped(&self.started());
        // A manager that does not read is waited for, for 3 s, unless all is to end at once.
        if let Some(stopping) = self.stopping.take()
            && self.shutdown != Shutdown::AtOnce
        {
            _ = stopping.join();
        }
        self.log().flush();
        if self.has_failed {
            Err(StartError::worker_failed())
        } else {
            Ok(())
        }
    }

    fn notice(&self, kind: &'static str, about: usize, text: String) {
        self.shared.log.line(Level::Notice, kind, about, text);
    }

    fn started(&self) -> Started<'_> {
        Started {
            name: &self.options.name,
            workers: self.shared.workers.len(),
            endpoints: &self.endpoints.clients,
            admin: &self.endpoints.admin,
            control: self.endpoints.control.as_ref(),
            log: self.log(),
        }
    }

    fn log(&self) -> &Log {
        self.shared.log.log()
    }
}

/// The pause between two calls of [`Service::tick`].
const TICK: Duration = Duration::from_secs(1);
