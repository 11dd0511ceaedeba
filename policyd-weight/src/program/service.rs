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
};
use crate::{admin::WeightMetrics, policy::Policy};

/// The service of the daemon.
pub(super) struct WeightService {
    inner: TokioService<WeightHandler>,
    policy: Arc<Policy>,
    state: Mutex<State>,
    is_detached: bool,
}

struct State {
    /// When the file was changed that was read, or found to have a fault.
    modified: Option<SystemTime>,
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
                modified,
                maintenance: Some(maintenance),
                running: None,
            }),
            is_detached,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file again if it has changed since or has gone, or if it is to be read anyway. What needs a restart, or what
    /// is wrong with the file.
    fn reload_file(&self, always: bool) -> Result<Vec<String>, String> {
        let modified = self.policy.settings().source().modified();
        let mut state = self.state();
        if always || modified != state.modified {
            state.modified = modified;
            drop(state);
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
        _ = self.reload_file(false);
        None
    }

    fn reload_with(&self, _: &Reloading<'_, ()>) -> Reloaded {
        // The Perl program reads a file that has changed only.
        match self.reload_file(!self.policy.settings().config().compat) {
            Ok(lines) => Reloaded::Done(lines),
            Err(text) => Reloaded::Failed(vec![text]),
        }
    }
}

/// The word of a daemon that serves.
pub(super) const READY: &[u8] = b" done\n";
