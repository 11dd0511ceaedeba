//! The thread of a side listener: it accepts connections, and has each served by a thread of its own.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, mpsc::Sender},
    thread,
    time::{Duration, Instant},
};

use policy_socket::Peer;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::{
    ServeClient, Work,
    places::{MAX_CLIENTS, Place, Places},
};
use crate::{
    log::{ALL, Level},
    worker::{Inbox, Listener, Shared},
};

/// The thread's only message: it is to end, since another process has the listeners.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop;

/// What a server never sends: it is gone when the server has ended.
#[derive(Debug)]
pub(super) enum Ended {}

/// The work of the thread.
pub(super) struct SideServer<M> {
    /// The option that it is there for, such as `--admin`.
    pub(super) option: &'static str,
    pub(super) listeners: Vec<Listener>,
    pub(super) serve: Arc<ServeClient>,
    /// What is done at an interval, between clients.
    pub(super) regularly: Option<(Duration, Arc<Work>)>,
    pub(super) shared: Arc<Shared<M>>,
    pub(super) inbox: Arc<Inbox<Stop>>,
    pub(super) _ends: Sender<Ended>,
}

impl<M> SideServer<M> {
    /// Serves until it is told to stop.
    pub(super) fn run(self) {
        let places = Arc::<Places>::default();
        let mut next = self.regularly.as_ref().map(|_| Instant::now());
        loop {
            if let Some((interval, work)) = &self.regularly
                && next.is_some_and(|next| next <= Instant::now())
            {
                work();
                next = Some(Instant::now() + *interval);
            }
            match self.wait(next) {
                Ok(Ready::Stop) => return,
                Ok(Ready::Listeners(ready)) => {
                    for listener in ready.into_iter().filter_map(|at| self.listeners.get(at)) {
                        self.accept(listener, &places);
                    }
                }
                Err(error) => self.pause(&error),
            }
        }
    }

    /// Waits for connections, for the end, or until then.
    fn wait(&self, until: Option<Instant>) -> io::Result<Ready> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec::try_from(left).unwrap_or_default());
        let watch = |source| PollFd::from_borrowed_fd(source, PollFlags::IN);
        let mut watched = vec![watch(self.inbox.as_fd())];
        watched.extend(
            self.listeners
                .iter()
                .map(|listener| watch(listener.as_fd())),
        );
        match poll(&mut watched, left.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Ready::Listeners(Vec::new())),
            Err(error) => return Err(error.into()),
        }
        let mut ready = watched.iter().map(|watched| !watched.revents().is_empty());
        if ready.next().is_some_and(|has_message| has_message) {
            return Ok(Ready::Stop);
        }
        let ready = ready.enumerate().filter(|(_, is_ready)| *is_ready);
        Ok(Ready::Listeners(ready.map(|(at, _)| at).collect()))
    }

    fn accept(&self, listener: &Listener, places: &Arc<Places>) {
        let (connection, peer) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) if is_passing(&error) => return,
            Err(error) => return self.pause(&error),
        };
        if !self.shared.allows_admin(peer, listener.origin()) {
            return;
        }
        let place = match connection.try_clone() {
            Ok(second) => places.take(second),
            Err(error) => return self.pause(&error),
        };
        let option = self.option;
        let Some(place) = place else {
            let text = format!("closing a connection to {option}: {MAX_CLIENTS} others are open");
            self.shared.log.line(Level::Warning, "side full", ALL, text);
            return;
        };
        if place.has_evicted {
            let text = format!("closing the oldest connection to {option}: {MAX_CLIENTS} are open");
            self.shared
                .log
                .line(Level::Warning, "side evicted", ALL, text);
        }
        if let Err(error) = self.serve(connection, peer, place) {
            self.pause(&error);
        }
    }

    fn serve(&self, connection: OwnedFd, peer: Peer, place: Place) -> io::Result<()> {
        let serve = Arc::clone(&self.serve);
        // The place is given back when the connection is closed.
        let serve = move || serve(connection, peer, &place.client);
        // A thread that cannot be started drops the place with the closure.
        thread::Builder::new()
            .name("side client".to_owned())
            .spawn(serve)?;
        Ok(())
    }

    /// The system has no descriptor or no thread: another try a moment later.
    fn pause(&self, error: &io::Error) {
        let text = format!("{} cannot serve: {error}", self.option);
        self.shared.log.line(Level::Warning, self.option, ALL, text);
        thread::sleep(PAUSE);
    }
}

/// What the thread has been woken for.
enum Ready {
    Stop,
    /// Connections wait at these listeners.
    Listeners(Vec<usize>),
}

/// Whether accepting failed for want of a connection: another thread or process has it, or its client has gone.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(
        error.kind(),
        WouldBlock | Interrupted | ConnectionAborted | ConnectionReset
    )
}

const PAUSE: Duration = Duration::from_millis(100);
