//! The maintenance of a daemon beside its requests: the cache's file and socket, the tests of lists.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use policy_daemon::log::Level;
use tokio::{
    sync::{oneshot, watch},
    time::{MissedTickBehavior, interval},
};

use super::control::{self, ControlSocket};
use crate::{
    cache::{Backing, open_file, open_store},
    policy::Policy,
};

/// Puts the store that the options name behind the cache, or a file. Where neither can be had, the cache is in memory.
pub(super) async fn open_backing(
    policy: &Policy,
    store: &str,
    file: Option<&Path>,
    shares_file: bool,
) {
    let backing = if !store.is_empty() {
        open_store(store).await.map(Backing::Shared)
    } else if let Some(path) = file {
        let opened = open_file(path).await;
        opened.map(|file| {
            if shares_file {
                Backing::Shared(Box::new(file))
            } else {
                Backing::File(file)
            }
        })
    } else {
        return;
    };
    let attached = match backing {
        Ok(backing) => policy
            .cache()
            .attach(backing)
            .await
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = attached {
        policy.log().line(
            Level::Warning,
            format!("the cache is in memory only: {error}"),
        );
    }
}

/// What the thread needs.
#[derive(Debug)]
pub(super) struct Maintenance {
    pub(super) policy: Arc<Policy>,
    pub(super) store: String,
    pub(super) file: Option<PathBuf>,
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

    async fn run(self, socket: Option<ControlSocket>, stopped: oneshot::Receiver<()>) {
        open_backing(&self.policy, &self.store, self.file.as_deref(), false).await;
        self.ready.send_replace(true);
        tokio::select! {
            () = self.write_changes() => {}
            () = self.serve(socket) => {}
            () = self.test_lists() => {}
            _ = stopped => {}
        }
        self.flush().await;
    }

    async fn write_changes(&self) {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.flush().await;
        }
    }

    async fn flush(&self) {
        if let Err(error) = self.policy.cache().flush().await {
            self.policy.log().line(
                Level::Warning,
                format!("the cache's file cannot be written: {error}"),
            );
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
