//! The service of the daemon: its first lines, its maintenance, and reading its file again.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use policy_daemon::{
    Reloaded, Reloading, Service, Started, TokioService, WorkerContext, admin::Admin,
    control::Control, log::Level,
};

use super::{
    commands::WeightCommands,
    handler::WeightHandler,
    maintenance::{Maintenance, Running},
    watched::Watched,
    writers::Writers,
};
use crate::{admin::WeightMetrics, config::Source, policy::Policy};

/// The service of the daemon.
pub(super) struct WeightService {
    inner: TokioService<WeightHandler>,
    policy: Arc<Policy>,
    state: Mutex<State>,
    is_detached: bool,
}

struct State {
    file: Watched,
    writers: Writers,
    /// What is started once the daemon has its user.
    maintenance: Option<Maintenance>,
    running: Option<Running>,
}

impl WeightService {
    /// `modified` is the time of the file that was read.
    pub(super) fn new(
        handler: WeightHandler,
        modified: Option<SystemTime>,
        maintenance: Maintenance,
        is_detached: bool,
    ) -> Self {
        let policy = Arc::clone(&handler.policy);
        Self {
            inner: TokioService::new(handler)
                .with_admin(Arc::new(WeightMetrics {
                    policy: Arc::clone(&policy),
                }))
                .with_commands(Arc::new(WeightCommands {
                    policy: Arc::clone(&policy),
                })),
            policy,
            state: Mutex::new(State {
                file: Watched::new(modified),
                writers: Writers::new(),
                maintenance: Some(maintenance),
                running: None,
            }),
            is_detached,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file again, if it is to be read. What needs a restart, or what is wrong with
    /// the file.
    fn reload_if(
        &self,
        is_wanted: impl FnOnce(&mut State, &Source) -> bool,
    ) -> Result<Vec<String>, String> {
        let settings = self.policy.settings();
        if is_wanted(&mut self.state(), settings.source()) {
            return self.policy.reload();
        }
        Ok(Vec::new())
    }
}

impl Service for WeightService {
    type Message = ();
    type Worker = <TokioService<WeightHandler> as Service>::Worker;

    fn worker(&self, context: WorkerContext<()>) -> io::Result<Self::Worker> {
        self.inner.worker(context)
    }

    fn started(&self, daemon: &Started<'_>) {
        let shown = self.policy.settings().source().shown();
        let (uid, gid) = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        let text = format!(
            "policyd-weight {} started and daemonized. conf:{shown}; GID:{gid} EGID:{gid} UID:{uid} EUID:{uid}; taint mode: 0",
            env!("CARGO_PKG_VERSION")
        );
        daemon.log.info(text);
        for endpoint in daemon.endpoints {
            daemon.log.info(format!("master: listening on {endpoint}"));
        }
        for endpoint in daemon.admin {
            daemon.log.info(format!("metrics at {endpoint}"));
        }
        if let Some(endpoint) = daemon.control {
            daemon.log.info(format!("commands at {endpoint}"));
        }
        let maintenance = self.state().maintenance.take();
        match maintenance.map(Maintenance::start) {
            Some(Ok(running)) => self.state().running = Some(running),
            Some(Err(error)) => {
                self.policy.log().line(
                    Level::Error,
                    format!("no cache's file and no tests of lists: {error}"),
                );
            }
            None => {}
        }
        if self.is_detached {
            // The starter waits for the word, and nobody reads what comes after.
            let mut output = io::stdout().lock();
            _ = output.write_all(READY).and_then(|()| output.flush());
            if let Ok(null) = rustix::fs::open(
                "/dev/null",
                rustix::fs::OFlags::RDWR,
                rustix::fs::Mode::empty(),
            ) {
                _ = rustix::stdio::dup2_stdout(&null);
                _ = rustix::stdio::dup2_stderr(&null);
            }
        }
    }

    fn stopped(&self, daemon: &Started<'_>) {
        if let Some(running) = self.state().running.take() {
            running.stop();
        }
        daemon
            .log
            .line(Level::Warning, "Got SIGTERM. Daemon terminated.");
    }

    fn admin(&self) -> Option<Arc<dyn Admin>> {
        self.inner.admin()
    }

    fn control(&self) -> Option<Arc<dyn Control>> {
        self.inner.control()
    }

    fn tick(&self) -> Option<String> {
        // The log has what is wrong.
        _ = self.reload_if(|state, source| {
            let path = source.path.as_deref();
            let is_being_written = path.is_some_and(|path| state.writers.are_writing(path));
            state.file.has_settled(source.modified(), is_being_written)
        });
        None
    }

    fn reload_with(&self, _: &Reloading<'_, ()>) -> Reloaded {
        // The Perl program reads a file that has changed only.
        let compat = self.policy.settings().config().compat;
        match self.reload_if(|state, source| state.file.has_changed(source.modified()) || !compat) {
            Ok(lines) => Reloaded::Done(lines),
            Err(text) => Reloaded::Failed(vec![text]),
        }
    }
}

/// The word of a daemon that serves.
pub(super) const READY: &[u8] = b" done\n";
