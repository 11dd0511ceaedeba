//! A daemon that serves, until it has ended: the main thread waits for signals, and tells the workers.

use std::{
    io,
    os::fd::AsFd,
    sync::{Arc, mpsc::Sender},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::{
    endpoints::Endpoints, restart::server::HandoverServer, start::resources::Resources,
    status::Status,
};
use crate::{
    error::StartError,
    listen::set::ListenSet,
    log::{ALL, Level, Log},
    options::{DaemonOptions, Reloaded, Reloading},
    process::{
        signals::{Command, Signals, name_of},
        systemd::{self, notify},
    },
    service::{Service, Started},
    side::SideHandle,
    worker::{Inbox, Shared},
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

/// A daemon that has taken over. Nothing in here keeps it from serving.
#[derive(Debug)]
pub(crate) struct Running<S: Service> {
    pub(super) service: S,
    pub(super) options: DaemonOptions,
    endpoints: Endpoints,
    pub(super) sockets: Arc<ListenSet>,
    pub(super) shared: Arc<Shared<S::Message>>,
    events: Arc<Inbox<Event>>,
    /// Whether a service manager stores connections for the next process.
    pub(super) has_store: bool,
    pub(super) shutdown: Shutdown,
    /// Tells the manager that this is the end.
    pub(super) stopping: Option<JoinHandle<()>>,
    status: Status,
    /// Workers that have not ended.
    workers: usize,
    /// A worker has ended too early.
    pub(super) has_failed: bool,
}

/// The steps of a daemon's end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shutdown {
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
            Command::Stop => self.stop(),
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

    fn notice(&self, kind: &'static str, about: usize, text: String) {
        self.shared.log.line(Level::Notice, kind, about, text);
    }

    pub(super) fn started(&self) -> Started<'_> {
        Started {
            name: &self.options.name,
            workers: self.shared.workers.len(),
            endpoints: &self.endpoints.clients,
            admin: &self.endpoints.admin,
            control: self.endpoints.control.as_ref(),
            log: self.log(),
        }
    }

    pub(super) fn log(&self) -> &Log {
        self.shared.log.log()
    }
}

/// The pause between two calls of [`Service::tick`].
const TICK: Duration = Duration::from_secs(1);
