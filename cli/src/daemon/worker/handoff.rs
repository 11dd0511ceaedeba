//! Where idle connections go when a daemon ends.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{
        Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
};

use crate::daemon::{
    log::{Level, Log},
    restart::fd_passing::MOST,
};

/// Where idle connections go when this daemon ends: they are closed, unless somebody has been named
/// who takes them. A client whose connection lives on in another process notices nothing; one whose
/// connection was closed pays a second for it (Postfix finds it closed, sleeps, and connects anew).
#[derive(Debug, Default)]
pub(crate) struct Passing(Mutex<Option<(Sender<OwnedFd>, JoinHandle<()>)>>);

impl Passing {
    /// From now on they go to `deliver`, some at a time and on a thread of its own, until that fails.
    pub(crate) fn to(
        &self,
        log: &Log,
        deliver: impl Fn(&[OwnedFd]) -> io::Result<()> + Send + 'static,
    ) {
        let (sender, connections) = mpsc::channel();
        let thread = {
            let log = log.clone();
            move || {
                if let Err(error) = deliver_all(&connections, deliver) {
                    closed(&log, &error);
                }
            }
        };
        match thread::Builder::new()
            .name("passing".to_owned())
            .spawn(thread)
        {
            Ok(thread) => *self.way() = Some((sender, thread)),
            Err(error) => closed(log, &error),
        }
    }

    /// Passes on a connection between two requests, or closes it.
    pub(crate) fn pass(&self, connection: OwnedFd) {
        if let Some((sender, _)) = &*self.way() {
            // Where nobody takes it any more it is closed.
            _ = sender.send(connection);
        }
    }

    /// Waits until all have arrived.
    pub(crate) fn end(&self) {
        let way = self.way().take();
        if let Some((sender, thread)) = way {
            drop(sender);
            // A panic has been told by the panic hook.
            _ = thread.join();
        }
    }

    fn way(&self) -> MutexGuard<'_, Option<(Sender<OwnedFd>, JoinHandle<()>)>> {
        // Nothing that holds the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn deliver_all(
    connections: &Receiver<OwnedFd>,
    deliver: impl Fn(&[OwnedFd]) -> io::Result<()>,
) -> io::Result<()> {
    while let Ok(first) = connections.recv() {
        let more = connections.try_iter().take(MOST - 1);
        deliver(&[first].into_iter().chain(more).collect::<Vec<_>>())?;
    }
    Ok(())
}

fn closed(log: &Log, error: &io::Error) {
    let text = format!("connections are closed, not passed on: {error}");
    log.line(Level::Warning, text);
}
