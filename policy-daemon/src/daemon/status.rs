//! The status of a service, as the service manager shows it.

use std::thread::JoinHandle;

use crate::{log::Log, process::systemd};

/// The service's status on its way to the manager, which may be slow to read.
#[derive(Debug, Default)]
pub(super) struct Status {
    waiting: Option<String>,
    sender: Option<JoinHandle<()>>,
}

impl Status {
    /// Sends the newest status, once the one before has been read.
    pub(super) fn update(&mut self, status: Option<String>, log: &Log) {
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
