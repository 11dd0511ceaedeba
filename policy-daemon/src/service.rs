//! The two traits of a program that is to be a daemon: its service, and a worker of that.

use std::{io, sync::Arc};

use policy_socket::Endpoint;

use crate::{
    admin::Admin,
    control::Control,
    log::Log,
    options::{Reloaded, Reloading},
    worker::{WorkerContext, Workers},
};

/// A service that a daemon runs. Its methods run on the main thread, except the worker that it makes.
pub trait Service {
    /// The messages of the service to its workers, beside those of the daemon: new settings, an answer that another
    /// thread has found. `()` where there are none.
    type Message: Send + 'static;
    /// A thread that serves connections.
    type Worker: Worker;

    /// Makes a worker, on the main thread and before anything is taken over: everything that can fail belongs here.
    ///
    /// # Errors
    ///
    /// Errors of the system: the daemon does not start.
    fn worker(&self, context: WorkerContext<Self::Message>) -> io::Result<Self::Worker>;

    /// The daemon serves. By default the log says so.
    fn started(&self, daemon: &Started<'_>) {
        daemon.log_start();
    }

    /// The daemon has ended: no worker is left. By default the log says so.
    fn stopped(&self, daemon: &Started<'_>) {
        daemon.log_stop();
    }

    /// What the service shows at the [admin](crate::admin) listener. Without it there is none.
    fn admin(&self) -> Option<Arc<dyn Admin>> {
        None
    }

    /// The commands that the service takes at the [control](crate::control) socket. Without it there is none.
    fn control(&self) -> Option<Arc<dyn Control>> {
        None
    }

    /// Called once a second. Returns the text that the service manager is to show, when it has changed.
    fn tick(&self) -> Option<String> {
        None
    }

    /// SIGUSR1: the log is to show the state of the service.
    fn report(&self) {}

    /// SIGHUP: options are to be read again. New settings go to the workers as messages. Returns false where the service
    /// cannot do that, which the log says.
    fn reload(&self, workers: &Workers<Self::Message>) -> bool {
        _ = workers;
        false
    }

    /// SIGHUP, for a service that may listen at other addresses after it. By default it calls [`reload`](Self::reload).
    fn reload_with(&self, daemon: &Reloading<'_, Self::Message>) -> Reloaded {
        if self.reload(daemon.workers()) {
            Reloaded::Done(Vec::new())
        } else {
            Reloaded::Unsupported
        }
    }
}

/// A worker: one thread that serves connections, with an event loop of its own choice.
///
/// It has its listeners and its inbox from the [`WorkerContext`] with which it was made.
pub trait Worker: Send + 'static {
    /// Serves until the inbox has told the worker to drain, and no connection is left, or to shut down.
    ///
    /// # Errors
    ///
    /// An error of the event loop: the log has it, and the daemon ends.
    fn run(self) -> io::Result<()>;
}

/// A daemon that serves, for its log.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Started<'a> {
    /// The name of the program.
    pub name: &'a str,
    /// The number of workers.
    pub workers: usize,
    /// The addresses where it listens, with the ports that the system has chosen.
    pub endpoints: &'a [Endpoint],
    /// The addresses of the [admin](crate::admin) listener.
    pub admin: &'a [Endpoint],
    /// The path of the [control](crate::control) socket.
    pub control: Option<&'a Endpoint>,
    /// The log.
    pub log: &'a Log,
}

impl Started<'_> {
    /// Logs the start and where the daemon listens, as [`Service::started`] does by default.
    pub fn log_start(&self) {
        let Self { name, workers, .. } = self;
        self.log.info(format!("{name} starts, workers: {workers}"));
        for endpoint in self.endpoints {
            self.log.info(format!("listening on {endpoint}"));
        }
        for endpoint in self.admin {
            self.log.info(format!("metrics at {endpoint}"));
        }
        if let Some(endpoint) = self.control {
            self.log.info(format!("commands at {endpoint}"));
        }
    }

    /// Logs the end, as [`Service::stopped`] does by default.
    pub fn log_stop(&self) {
        self.log.info(format!("stopped: {}", self.name));
    }
}
