//! A daemon that has taken over, until it ends.

use std::{
    cell::OnceCell,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    daemon::{
        error::StartError,
        listen::set::Listening,
        log::{Level, Log},
        process::{
            signals::{Asked, name_of},
            systemd::{self, notify},
        },
        restart::server::Succession,
        start::resources::Ground,
        worker::Common,
    },
    journal::ALL,
    proxy::Message,
    report::Report,
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
    /// How long requests under way may take at the end.
    drain: Duration,
    phase: Phase,
    /// Workers beside that of the main thread that have not ended.
    others: usize,
    /// A worker has ended before its time.
    has_failed: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Serving,
    /// Requests under way are waited for.
    Ending,
    /// Not even those.
    EndingAtOnce,
}

impl<'a> Life<'a> {
    /// On ground that is settled. With it comes what it takes to be succeeded, if there may be a successor.
    pub(crate) fn new(
        ground: Ground,
        common: Arc<Common>,
        report: Report,
        log: &'a Log,
        drain: Duration,
        others: usize,
    ) -> (Self, Option<Succession>) {
        let is_stored = ground.listening.is_kept() && systemd::has_manager();
        let life = Self {
            listening: Arc::new(ground.listening),
            common,
            report,
            log,
            is_stored,
            stopping: OnceCell::new(),
            drain,
            phase: Phase::Serving,
            others,
            has_failed: false,
        };
        let succession = life.listening.calls().map(|_| Succession {
            trusted: ground.trusted,
            earlier: ground.earlier,
            listening: Arc::clone(&life.listening),
            common: Arc::clone(&life.common),
            log: log.clone(),
        });
        if ground.rejected.count > 0 {
            let text = format!(
                "the service manager passes {} descriptors that are neither its sockets nor clients: closed",
                ground.rejected.count
            );
            log.line(Level::Warning, text);
        }
        if !ground.kept.is_empty() || ground.rejected.count > 0 {
            life.common.take(ground.kept);
            systemd::empty_store(log, &ground.rejected.names);
        }
        (life, succession)
    }

    /// Says that it serves here.
    pub(crate) fn announce(&self) {
        self.report.start(&self.common.proxy);
        if !systemd::has_manager() {
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

    /// Does what this asks for.
    pub(crate) fn hear(&mut self, said: Said) {
        match said {
            Said::Signal(Asked::Report) => self.common.proxy.report(),
            Said::Signal(Asked::Reload) => {
                let text = "SIGHUP: the options are read at the start only, a restart is needed";
                self.notice("reload", ALL, text.to_owned());
            }
            Said::Signal(Asked::Unknown(number)) => {
                let about = usize::try_from(number).unwrap_or(ALL);
                let text = format!("{} is ignored", name_of(number));
                self.notice("signal", about, text);
            }
            Said::Signal(Asked::End) => match self.phase {
                Phase::Serving => self.stop(),
                Phase::Ending => {
                    self.log.line(Level::Info, "stopping at once");
                    self.common.crew.tell_all(|| Message::End);
                    self.phase = Phase::EndingAtOnce;
                }
                Phase::EndingAtOnce => {}
            },
            Said::Succeeded => self.drain(),
            Said::Ended => {
                self.others = self.others.saturating_sub(1);
                // It has failed, and what it has said is in the log: the others end as well.
                self.has_failed |= self.phase == Phase::Serving;
                self.drain();
            }
        }
    }

    /// Whether all workers have ended, this thread's own as well.
    pub(crate) fn is_over(&self, own_has_ended: bool) -> bool {
        own_has_ended && self.others == 0
    }

    fn notice(&self, kind: &'static str, about: usize, text: String) {
        let journal = &self.common.proxy.journal;
        journal.repeatable(Level::Notice, kind, about, text);
    }

    fn stop(&mut self) {
        self.log.line(Level::Info, "stopping");
        if let Some(stopping) = systemd::stopping(self.log) {
            _ = self.stopping.set(stopping);
        }
        if self.is_stored {
            self.common.passing.to(self.log, systemd::store);
        }
        self.drain();
    }

    /// Has all workers end.
    fn drain(&mut self) {
        if self.phase != Phase::Serving {
            return;
        }
        self.phase = Phase::Ending;
        let drain = self.drain;
        self.common.crew.tell_all(|| Message::Drain(drain));
        // Each worker has a descriptor of its own: closing them all would take until the end.
        self.listening.end();
    }

    /// When all workers have done.
    pub(crate) fn end(mut self) -> Result<(), StartError> {
        self.common.passing.end();
        if self.is_stored
            && let Err(error) = systemd::wait_until_read()
        {
            let text = format!("the service manager does not answer: {error}");
            self.log.line(Level::Warning, text);
        }
        self.listening.remove();
        self.report.end(&self.common.proxy);
        // A manager that does not read is waited for, for 3 s, unless all is to end at once.
        if let Some(stopping) = self.stopping.take()
            && self.phase != Phase::EndingAtOnce
        {
            _ = stopping.join();
        }
        self.log.flush();
        match self.has_failed {
            true => Err(StartError::worker_failed()),
            false => Ok(()),
        }
    }
}
