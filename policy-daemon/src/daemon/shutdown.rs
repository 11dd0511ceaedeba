//! The end of a daemon: a signal or a successor has the workers drain, and the last one of them ends the process.

use super::running::{Running, Shutdown};
use crate::{error::StartError, log::Level, process::systemd, service::Service, worker::Message};

impl<S: Service> Running<S> {
    /// A signal asks for the end: the second one has nothing waited for.
    pub(super) fn stop(&mut self) {
        match self.shutdown {
            Shutdown::No => self.begin(),
            Shutdown::Draining => {
                self.log().info("stopping at once");
                self.shared.workers.send_all(|| Message::Shutdown);
                self.shutdown = Shutdown::AtOnce;
            }
            Shutdown::AtOnce => {}
        }
    }

    fn begin(&mut self) {
        self.log().info("stopping");
        // Without the thread the manager is not told: most likely it has asked for the end.
        self.stopping = systemd::notify_apart(self.log(), "STOPPING=1").ok();
        if self.has_store {
            self.shared.handoff.begin(self.log(), systemd::store);
        }
        self.drain();
    }

    /// Has all workers end.
    pub(super) fn drain(&mut self) {
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
    pub(super) fn finish(mut self) -> Result<(), StartError> {
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
}
