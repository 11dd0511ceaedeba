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
    file: Watched,
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
                maintenance: Some(maintenance),
                running: None,
            }),
            is_detached,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file again, if it is to be read for this time of its last change. What needs a restart, or what is wrong with
    /// the file.
    fn reload_if(
        &self,
        is_wanted: impl FnOnce(&mut Watched, Option<SystemTime>) -> bool,
    ) -> Result<Vec<String>, String> {
        let modified = self.policy.settings().source().modified();
        if is_wanted(&mut self.state().file, modified) {
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
        _ = self.reload_if(Watched::has_settled);
        None
    }

    fn reload_with(&self, _: &Reloading<'_, ()>) -> Reloaded {
        // The Perl program reads a file that has changed only.
        let compat = self.policy.settings().config().compat;
        match self.reload_if(|file, modified| file.has_changed(modified) || !compat) {
            Ok(lines) => Reloaded::Done(lines),
            Err(text) => Reloaded::Failed(vec![text]),
        }
    }
}

/// When a file was changed last; none where it has gone.
struct Watched {
    /// As it was read, or found to have a fault.
    read: Option<SystemTime>,
    /// At the last look.
    seen: Option<SystemTime>,
    /// How many looks before the last one have found the same.
    same: u32,
}

impl Watched {
    fn new(read: Option<SystemTime>) -> Self {
        Self {
            read,
            seen: read,
            same: 0,
        }
    }

    /// Whether it has changed since it was read. It is read now.
    fn has_changed(&mut self, modified: Option<SystemTime>) -> bool {
        self.seen = modified;
        std::mem::replace(&mut self.read, modified) != modified
    }

    /// Whether it has changed, and not for several looks: one that is being written, with pauses as over a slow connection, is left
    /// alone. It is read now.
    fn has_settled(&mut self, modified: Option<SystemTime>) -> bool {
        let is_same = std::mem::replace(&mut self.seen, modified) == modified;
        self.same = if is_same { self.same + 1 } else { 0 };
        if self.same < SETTLED {
            return false;
        }
        self.same = SETTLED;
        self.has_changed(modified)
    }
}

/// How many looks, one a second, have to find the same. Nobody waits for longer who writes a file: an editor takes milliseconds.
const SETTLED: u32 = 5;

/// The word of a daemon that serves.
pub(super) const READY: &[u8] = b" done\n";

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_file_is_read_once_it_stays_as_it_is() {
        let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
        let mut file = Watched::new(at(1));
        let mut read_at_look = |modified, looks: u32| {
            let mut looks = 1..=looks;
            looks.find(|_| file.has_settled(modified))
        };
        assert_eq!(read_at_look(at(1), 20), None);
        // It is being written, with pauses, and has gone for a moment.
        for modified in [at(2), at(3), None, at(4)] {
            assert_eq!(read_at_look(modified, SETTLED), None, "{modified:?}");
        }
        assert_eq!(read_at_look(at(5), 20), Some(SETTLED + 1));
        assert_eq!(read_at_look(at(5), 20), None);
        assert_eq!(read_at_look(None, 20), Some(SETTLED + 1));
        assert_eq!(read_at_look(None, 20), None);
        // Who asks for it does not wait.
        assert!(file.has_changed(at(6)) && !file.has_changed(at(6)));
        assert!((0..20).all(|_| !file.has_settled(at(6))));
    }
}
