//! A daemon that has taken over, until it ends.

use std::{
    cell::OnceCell,
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    Level, Log,
    ground::Ground,
    journal::ALL,
    listening::Listening,
    notify::{self, notify},
    proxy::Message,
    report::Report,
    signals::{Asked, name_of},
    succession::Succession,
    worker::Common,
};

/// What the main thread is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Said {
    /// There was a signal.
    Signal(Asked),
    /// There is a successor that serves.
    Succeeded,
    /// A worker has ended.
    Ended,
}

/// A daemon that has taken over, until it ends. Nothing in here keeps it from serving.
#[derive(Debug)]
pub(crate) struct Life<'a> {
    listening: Arc<Listening>,
    common: Arc<Common>,
    report: Report,
    log: &'a Log,
    /// Whether a service manager stores connections for the next process.
    is_stored: bool,
    /// Tells the manager that this is the end.
    stopping: OnceCell<JoinHandle<()>>,
}

impl<'a> Life<'a> {
    /// On ground that is settled. With it comes what it takes to be succeeded, if there may be a successor.
    pub(crate) fn new(
        ground: Ground,
        common: Arc<Common>,
        report: Report,
        log: &'a Log,
        told: Sender<Said>,
    ) -> (Self, Option<Succession>) {
        let is_stored = ground.listening.is_kept() && notify::has_manager();
        let life = Self {
            listening: Arc::new(ground.listening),
            common,
            report,
            log,
            is_stored,
            stopping: OnceCell::new(),
        };
        let succession = life.listening.calls().map(|_| Succession {
            trusted: ground.trusted,
            earlier: ground.earlier,
            listening: Arc::clone(&life.listening),
            common: Arc::clone(&life.common),
            log: log.clone(),
            told,
        });
        if ground.rejected > 0 {
            let text = format!(
                "the service manager's store holds {} descriptors that are no connections: closed",
                ground.rejected
            );
            log.line(Level::Warning, text);
        }
        if !ground.kept.is_empty() || ground.rejected > 0 {
            life.common.take(ground.kept);
            notify::empty_store(log);
        }
        (life, succession)
    }

    /// Says that it serves here.
    pub(crate) fn announce(&self) {
        self.report.start(&self.common.proxy);
        if !notify::has_manager() {
            return;
        }
        // One that does not read keeps no client waiting.
        let log = self.log.clone();
        let ready = thread::Builder::new().name("ready".to_owned());
        if ready.spawn(move || notify(&log, "READY=1")).is_err() {
            notify(self.log, "READY=1");
        }
    }

    /// What its workers share.
    pub(crate) fn common(&self) -> &Arc<Common> {
        &self.common
    }

    /// Waits until a signal says that it is to end, or a successor, and then until all workers have: whether that was
    /// asked for at once.
    pub(crate) fn watch(&self, heard: &Receiver<Said>, drain: Duration, workers: usize) -> bool {
        match self.asked_to_end(heard) {
            Said::Signal(_) => {
                self.log.line(Level::Info, "stopping");
                if let Some(stopping) = notify::stopping(self.log) {
                    _ = self.stopping.set(stopping);
                }
                if self.is_stored {
                    self.common.passing.to(self.log, notify::store);
                }
            }
            Said::Succeeded => {}
            // It has failed, and what it has said is in the log: the others end as well.
            Said::Ended => return self.wait_for(heard, drain, workers.saturating_sub(1)),
        }
        self.wait_for(heard, drain, workers)
    }

    /// Has so many workers end, and waits for that.
    fn wait_for(&self, heard: &Receiver<Said>, drain: Duration, mut workers: usize) -> bool {
        self.common.crew.tell_all(|| Message::Drain(drain));
        // Each worker has a descriptor of its own: closing them all would take until the end.
        self.listening.end();
        let mut at_once = false;
        while workers > 0 {
            match self.asked_to_end(heard) {
                Said::Ended => workers -= 1,
                Said::Signal(_) if !at_once => {
                    self.log.line(Level::Info, "stopping at once");
                    self.common.crew.tell_all(|| Message::End);
                    at_once = true;
                }
                _ => {}
            }
        }
        at_once
    }

    /// Waits for what ends it, or a worker, and does what other signals ask for.
    fn asked_to_end(&self, heard: &Receiver<Said>) -> Said {
        let proxy = &self.common.proxy;
        loop {
            // As long as there are signals there is a sender.
            match heard.recv().unwrap_or(Said::Ended) {
                Said::Signal(Asked::Report) => proxy.report(),
                Said::Signal(Asked::Reload) => {
                    let text =
                        "SIGHUP: the options are read at the start only, a restart is needed";
                    proxy
                        .journal
                        .repeatable(Level::Notice, "reload", ALL, text.to_owned());
                }
                Said::Signal(Asked::Unknown(number)) => {
                    let (about, name) = (usize::try_from(number).unwrap_or(ALL), name_of(number));
                    let text = format!("{name} is ignored");
                    proxy
                        .journal
                        .repeatable(Level::Notice, "signal", about, text);
                }
                said => return said,
            }
        }
    }

    /// When all workers have done.
    pub(crate) fn end(mut self, at_once: bool) {
        self.common.passing.end();
        if self.is_stored
            && let Err(error) = notify::wait_until_read()
        {
            let text = format!("the service manager does not answer: {error}");
            self.log.line(Level::Warning, text);
        }
        self.listening.remove();
        self.report.end(&self.common.proxy);
        // A manager that does not read is waited for, for 3 s, unless all is to end at once.
        if let Some(stopping) = self.stopping.take()
            && !at_once
        {
            _ = stopping.join();
        }
        self.log.flush();
    }
}
