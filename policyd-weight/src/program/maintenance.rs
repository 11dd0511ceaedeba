//! The maintenance of a daemon beside its requests: the cache's place and socket, the tests of lists.

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use policy_daemon::log::Level;
use tokio::{
    sync::{oneshot, watch},
    time::{MissedTickBehavior, interval},
};

use super::{
    cache_place::CachePlace,
    control::{self, ControlSocket},
};
use crate::policy::Policy;

/// What the thread needs.
#[derive(Debug)]
pub(super) struct Maintenance {
    pub(super) policy: Arc<Policy>,
    pub(super) place: CachePlace,
    pub(super) socket: Option<PathBuf>,
    pub(super) ready: watch::Sender<bool>,
}

/// The thread, and its end.
#[derive(Debug)]
pub(super) struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Ends the thread; what has changed in the cache is written before.
    pub(super) fn stop(self) {
        _ = self.stop.send(());
        _ = self.thread.join();
    }
}

impl Maintenance {
    /// Starts the thread.
    pub(super) fn start(self) -> io::Result<Running> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // Before the start is over: who has waited for that finds the socket.
        let socket = {
            let _context = runtime.enter();
            self.socket()
        };
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("maintenance".to_owned())
            .spawn(move || {
                runtime.block_on(self.run(socket, stopped));
            })?;
        Ok(Running { stop, thread })
    }

    async fn run(mut self, socket: Option<ControlSocket>, stopped: oneshot::Receiver<()>) {
        let mut place = std::mem::take(&mut self.place);
        place.begin(&self.policy);
        place.keep(&self.policy).await;
        self.ready.send_replace(true);
        tokio::select! {
            () = self.keep(&mut place) => {}
            () = self.serve(socket) => {}
            () = self.test_lists() => {}
            _ = stopped => {}
        }
        place.end(&self.policy).await;
    }

    async fn keep(&self, place: &mut CachePlace) {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            place.keep(&self.policy).await;
        }
    }

    fn socket(&self) -> Option<ControlSocket> {
        let path = self.socket.as_ref()?;
        let bound = control::bind(path);
        if let Err(error) = &bound {
            let text = format!("no socket for -s and -k at {}: {error}", path.display());
            self.policy.log().line(Level::Warning, text);
        }
        bound.ok()
    }

    async fn serve(&self, socket: Option<ControlSocket>) {
        match socket {
            Some(socket) => control::serve(&socket, &self.policy).await,
            None => std::future::pending().await,
        }
    }

    async fn test_lists(&self) {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // The first requests do not wait for what is tested by then.
            self.policy.test_lists().await;
        }
    }
}
