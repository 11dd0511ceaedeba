//! The start of a side listener, and the main thread's handle of it.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    time::Duration,
};

use super::{
    ServeClient, Work,
    server::{Ended, SideServer, Stop},
};
use crate::{
    listen::socket::ListenSocket,
    worker::{Inbox, Listener, Shared, standby},
};

/// A side listener whose thread has been started, and waits for its work.
pub(crate) struct SideStart<M> {
    thread: Sender<SideServer<M>>,
    server: SideServer<M>,
    ended: Receiver<Ended>,
}

/// The daemon's handle of a side listener.
#[derive(Debug)]
pub(crate) struct SideHandle {
    inbox: Arc<Inbox<Stop>>,
    ended: Receiver<Ended>,
}

impl<M: Send + 'static> SideStart<M> {
    /// The listener of an option, such as `--admin`. All that can fail fails here.
    pub(crate) fn prepare<'a>(
        option: &'static str,
        sockets: impl IntoIterator<Item = &'a ListenSocket>,
        shared: &Arc<Shared<M>>,
        serve: Arc<ServeClient>,
    ) -> io::Result<Self> {
        let listeners: io::Result<_> = sockets.into_iter().map(Listener::new).collect();
        let (ends, ended) = mpsc::channel();
        let server = SideServer {
            option,
            listeners: listeners?,
            serve,
            regularly: None,
            shared: Arc::clone(shared),
            inbox: Arc::new(Inbox::new()?),
            _ends: ends,
        };
        let name = option.trim_start_matches('-');
        Ok(Self {
            thread: standby::spawn(name, SideServer::run)?,
            server,
            ended,
        })
    }

    /// The same, and the thread does this at once and then at an interval.
    pub(crate) fn with_work(mut self, interval: Duration, work: Arc<Work>) -> Self {
        self.server.regularly = Some((interval, work));
        self
    }

    /// Has the thread serve.
    pub(crate) fn begin(self) -> SideHandle {
        let inbox = Arc::clone(&self.server.inbox);
        _ = self.thread.send(self.server);
        SideHandle {
            inbox,
            ended: self.ended,
        }
    }
}

impl SideHandle {
    /// Another process has the listener: this one accepts nothing more once this is over. Those that are being served go on.
    pub(crate) fn stop(&self) {
        self.inbox.send(Stop);
        // What comes is that the other end is gone, unless the thread's work of each interval takes its time.
        _ = self.ended.recv_timeout(PATIENCE);
    }
}

/// Nobody waits longer for a thread that ends.
const PATIENCE: Duration = Duration::from_secs(1);
