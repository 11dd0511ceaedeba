//! The way of connections to the process that continues the service.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{
        Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
};

use crate::{
    log::{Level, Log},
    process::fd_passing::MAX_FDS,
};

/// Takes connections between two requests when a daemon ends, and closes them unless a receiver has been named.
///
/// A client whose connection lives on in another process notices nothing. A client whose connection is closed pays a
/// second (Postfix finds it closed, sleeps, and connects again).
#[derive(Debug, Default)]
pub(crate) struct ConnectionHandoff(Mutex<Option<Delivery>>);

#[derive(Debug)]
struct Delivery {
    connections: Sender<OwnedFd>,
    thread: JoinHandle<()>,
}

impl ConnectionHandoff {
    /// From now on connections go to `deliver`, several at a time and on a thread of its own, until that fails.
    pub(crate) fn begin(
        &self,
        log: &Log,
        deliver: impl Fn(&[OwnedFd]) -> io::Result<()> + Send + 'static,
    ) {
        let (connections, waiting) = mpsc::channel();
        let thread = {
            let log = log.clone();
            move || {
                if let Err(error) = deliver_all(&waiting, deliver) {
                    warn(&log, &error);
                }
            }
        };
        let spawned = thread::Builder::new()
            .name("handoff".to_owned())
            .spawn(thread);
        match spawned {
            Ok(thread) => {
                *self.delivery() = Some(Delivery {
                    connections,
                    thread,
                })
            }
            Err(error) => warn(log, &error),
        }
    }

    /// Hands a connection off, or closes it.
    pub(super) fn send(&self, connection: OwnedFd) {
        if let Some(delivery) = &*self.delivery() {
            // A connection that is no longer taken is closed.
            _ = delivery.connections.send(connection);
        }
    }

    /// Waits until all connections have been delivered.
    pub(crate) fn end(&self) {
        let delivery = self.delivery().take();
        if let Some(Delivery {
            connections,
            thread,
        }) = delivery
        {
            drop(connections);
            // The panic hook has reported a panic.
            _ = thread.join();
        }
    }

    fn delivery(&self) -> MutexGuard<'_, Option<Delivery>> {
        // No holder of the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn deliver_all(
    connections: &Receiver<OwnedFd>,
    deliver: impl Fn(&[OwnedFd]) -> io::Result<()>,
) -> io::Result<()> {
    while let Ok(first) = connections.recv() {
        let more = connections.try_iter().take(MAX_FDS - 1);
        deliver(&[first].into_iter().chain(more).collect::<Vec<_>>())?;
    }
    Ok(())
}

fn warn(log: &Log, error: &io::Error) {
    let text = format!("connections are closed, not passed on: {error}");
    log.line(Level::Warning, text);
}
