//! A daemon that has taken over, until it ends.

use std::{
    cell::OnceCell,
    convert::Infallible,
    future::pending,
    sync::Arc,
    thread::{self, JoinHandle},
};

use tokio_util::sync::CancellationToken;

use crate::{
    Level, Log,
    ground::Ground,
    journal::ALL,
    listening::Listening,
    notify::{self, notify},
    report::Report,
    signals::{Asked, Signals, name_of},
    succession::Succession,
    worker::{Common, Ending},
};

/// A daemon that has taken over, until it ends. Nothing in here keeps it from serving.
#[derive(Debug)]
pub(crate) struct Life<'a> {
    listening: Arc<Listening>,
    common: Arc<Common>,
    report: Report,
    log: &'a Log,
    /// Whether a service manager stores connections for the next process.
    is_stored: bool,
    /// Cancelled when there is a successor that serves.
    succeeded: CancellationToken,
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
    ) -> (Self, Option<Succession>) {
        let is_stored = ground.listening.is_kept() && notify::has_manager();
        let life = Self {
            listening: Arc::new(ground.listening),
            common,
            report,
            log,
            is_stored,
            succeeded: CancellationToken::new(),
            stopping: OnceCell::new(),
        };
        let succession = life.listening.calls().map(|_| Succession {
            trusted: ground.trusted,
            earlier: ground.earlier,
            listening: Arc::clone(&life.listening),
            common: Arc::clone(&life.common),
            log: log.clone(),
            done: life.succeeded.clone(),
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
            notify::empty_store(log, &ground.rejected.names);
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

    /// Has it end when a signal says so, or a successor; at once, when there is one more signal.
    pub(crate) async fn watch(&self, mut signals: Signals, ending: &Ending) -> Infallible {
        tokio::select! {
            () = self.succeeded.cancelled() => {}
            () = self.asked_to_end(&mut signals) => {
                self.log.line(Level::Info, "stopping");
                if let Some(stopping) = notify::stopping(self.log) {
                    _ = self.stopping.set(stopping);
                }
                if self.is_stored {
                    self.common.passing.to(self.log, notify::store);
                }
            }
        }
        ending.stop.cancel();
        // Each worker has a descriptor of its own: closing them all would take until the end.
        self.listening.end();
        self.asked_to_end(&mut signals).await;
        self.log.line(Level::Info, "stopping at once");
        ending.at_once.cancel();
        pending().await
    }

    /// Waits for a signal that ends it, and does what the others ask for.
    async fn asked_to_end(&self, signals: &mut Signals) {
        let proxy = &self.common.proxy;
        loop {
            match signals.recv().await {
                Asked::End => return,
                Asked::Report => proxy.report(),
                Asked::Reload => {
                    let text =
                        "SIGHUP: the options are read at the start only, a restart is needed";
                    proxy
                        .journal
                        .repeatable(Level::Notice, "reload", ALL, text.to_owned());
                }
                Asked::Unknown(number) => {
                    let (about, name) = (usize::try_from(number).unwrap_or(ALL), name_of(number));
                    let text = format!("{name} is ignored");
                    proxy
                        .journal
                        .repeatable(Level::Notice, "signal", about, text);
                }
            }
        }
    }

    /// When all workers have done.
    pub(crate) fn end(mut self, ending: &Ending) {
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
            && !ending.at_once.is_cancelled()
        {
            _ = stopping.join();
        }
        self.log.flush();
    }
}
