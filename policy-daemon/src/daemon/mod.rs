//! A daemon, from its start to its end: prepare, build the service, commit, serve, shut down.

use std::{io, sync::Arc};

use crate::{
    admin, control,
    error::StartError,
    log::{Level, Log, Suppressor},
    options::DaemonOptions,
    process::signals::{self, Signals},
    service::{Service, Worker},
    side::SideStart,
    worker::{Inbox, MaxClients, Shared, WorkerContext, standby},
};

mod endpoints;
mod restart;
mod running;
mod shutdown;
mod start;
mod status;
pub use start::activation::Inherited;

use endpoints::Endpoints;
use restart::server::HandoverServer;
use running::{Event, Running};
use start::resources::Resources;

/// A daemon that has its sockets, and does not serve yet.
#[derive(Debug)]
pub struct Daemon {
    options: DaemonOptions,
    signals: Signals,
    resources: Resources,
    log: Arc<Suppressor>,
}

impl Daemon {
    /// Takes the sockets, with the privileges of the starter, and opens the log. To be called before threads are started.
    ///
    /// Nothing is changed yet that dropping the value would not undo.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub fn prepare(options: &DaemonOptions, inherited: Inherited) -> Result<Self, StartError> {
        // Before there are sockets, which tell others that it starts.
        let signals = Signals::new().map_err(StartError::system("cannot start"))?;
        signals::unblock().map_err(StartError::system("cannot start"))?;
        let resources = Resources::take(options, inherited)?;
        let log = Log::daemon(&options.name, options.log);
        log.report_panics();
        log.warn_if_unreachable(&options.name, options.log_hint);
        if let Some(error) = &resources.handover_error {
            let text = format!("no handover from the daemon before: {error}");
            log.line(Level::Warning, text);
        }
        if resources.stays_root() {
            let user = options.names.user;
            let text = format!(
                "running as root: give {user}, so that a fault in this program is no way to root"
            );
            log.line(Level::Warning, text);
        }
        Ok(Self {
            options: options.clone(),
            signals,
            resources,
            log: Arc::new(Suppressor::new(log)),
        })
    }

    /// The log, which repeats no line within 10 s.
    #[must_use]
    pub fn log(&self) -> &Arc<Suppressor> {
        &self.log
    }

    /// The clients that there may be at once.
    #[must_use]
    pub fn max_clients(&self) -> MaxClients {
        self.resources.max_clients
    }

    /// Serves until SIGTERM, SIGINT or SIGQUIT, or until a successor has taken over, and then the requests in progress.
    ///
    /// # Errors
    ///
    /// [`StartError`]: a failure of the start comes before anything is taken over; a failed worker ends the daemon.
    pub fn serve<S: Service>(self, service: S) -> Result<(), StartError> {
        let Self {
            options,
            signals,
            mut resources,
            log,
        } = self;
        let cannot_start = || StartError::system("cannot start");
        resources.max_clients.announce(log.log());
        let count = options.workers();
        let shared = Shared::new(count, options.allow.clone(), resources.max_clients, log);
        let admin_allow = options.admin_allow().to_vec();
        let shared = shared
            .map_err(cannot_start())?
            .with_admin_allow(admin_allow)
            .with_allow_hint(options.allow_hint);
        let shared = Arc::new(shared);
        let events = Arc::new(Inbox::new().map_err(cannot_start())?);
        let workers = (0..count).map(|index| {
            let sockets = &resources.sockets;
            let context =
                sockets.with_clients(|sockets| WorkerContext::new(&shared, index, sockets))?;
            let worker = service.worker(context)?;
            let thread = spawn_worker(index, shared.log.log(), &events)?;
            Ok((thread, worker))
        });
        let workers: Vec<_> = workers.collect::<io::Result<_>>().map_err(cannot_start())?;
        signals.add_stops().map_err(cannot_start())?;
        let endpoints = Endpoints::of(&resources.sockets).map_err(cannot_start())?;
        let sockets = &resources.sockets;
        let admin = admin::prepare(&options, || service.admin(), sockets, &shared)?;
        let reload = Arc::clone(&events);
        let reload = Box::new(move |reply| reload.send(Event::Reload(reply)));
        let control = control::prepare(|| service.control(), sockets, &shared, reload)?;
        let handover = options.handover.as_ref();
        let handover = handover.map(|_| standby::spawn("handover", HandoverServer::run));
        let handover = handover.transpose().map_err(cannot_start())?;
        resources.commit()?;

        // From here on nothing fails: each thread exists, and waits for its work.
        let (running, server) = Running::new(
            service,
            &options,
            endpoints,
            resources,
            shared,
            events,
            [admin, control]
                .into_iter()
                .flatten()
                .map(SideStart::begin)
                .collect(),
        );
        for (thread, worker) in workers {
            _ = thread.send(worker);
        }
        if let Some((handover, server)) = handover.zip(server) {
            _ = handover.send(server);
        }
        running.run(signals)
    }
}

fn spawn_worker<W: Worker>(
    index: usize,
    log: &Log,
    events: &Arc<Inbox<Event>>,
) -> io::Result<std::sync::mpsc::Sender<W>> {
    let (log, events) = (log.clone(), Arc::clone(events));
    standby::spawn(&format!("worker {index}"), move |worker: W| {
        // Also when a panic ends it.
        let _reports = ReportsEnd(events);
        if let Err(error) = worker.run() {
            let text = format!("worker {index} has failed: {error}");
            log.line(Level::Error, text);
        }
    })
}

/// Tells the main thread that a worker has ended.
struct ReportsEnd(Arc<Inbox<Event>>);

impl Drop for ReportsEnd {
    fn drop(&mut self) {
        self.0.send(Event::WorkerEnded);
    }
}
