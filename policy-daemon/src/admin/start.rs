//! The start of the admin listener, and the main thread's handle of it.

use std::{
    io,
    sync::{Arc, mpsc::Sender},
};

use super::{
    daemon_metrics::DaemonMetrics,
    pages::Pages,
    server::{AdminServer, Stop},
};
use crate::{
    error::StartError,
    listen::{set::ListenSet, socket::ListenSocket},
    options::DaemonOptions,
    service::Service,
    worker::{Inbox, Listener, Shared, standby},
};

/// An admin listener whose thread has been started, and waits for its work.
pub(crate) struct AdminStart<M> {
    thread: Sender<AdminServer<M>>,
    server: AdminServer<M>,
    handle: AdminHandle,
}

/// The main thread's handle of the admin listener.
#[derive(Debug)]
pub(crate) struct AdminHandle {
    pages: Arc<Pages>,
    inbox: Arc<Inbox<Stop>>,
}

impl<M: Send + 'static> AdminStart<M> {
    /// The admin listener, if there is to be one. All that can fail fails here.
    pub(crate) fn prepare<S: Service<Message = M>>(
        options: &DaemonOptions,
        service: &S,
        sockets: &ListenSet,
        shared: &Arc<Shared<M>>,
    ) -> Result<Option<Self>, StartError> {
        if options.admin.is_empty() {
            return Ok(None);
        }
        let Some(admin) = service.admin() else {
            let text = "--admin: this service has nothing to show".to_owned();
            return Err(StartError::Configuration(text));
        };
        let daemon = DaemonMetrics::new(Arc::clone(shared));
        let pages = Arc::new(Pages::new(&options.name, admin, daemon));
        let made = Self::new(pages, sockets.admin(), shared);
        made.map(Some).map_err(StartError::system("cannot start"))
    }

    fn new(
        pages: Arc<Pages>,
        sockets: &[ListenSocket],
        shared: &Arc<Shared<M>>,
    ) -> io::Result<Self> {
        let inbox = Arc::new(Inbox::new()?);
        let listeners: io::Result<_> = sockets.iter().map(Listener::new).collect();
        let handle = AdminHandle {
            pages: Arc::clone(&pages),
            inbox: Arc::clone(&inbox),
        };
        let server = AdminServer {
            listeners: listeners?,
            pages,
            shared: Arc::clone(shared),
            inbox,
        };
        Ok(Self {
            thread: standby::spawn("admin", AdminServer::run)?,
            server,
            handle,
        })
    }

    /// Has the thread serve.
    pub(crate) fn begin(self) -> AdminHandle {
        _ = self.thread.send(self.server);
        self.handle
    }
}

impl AdminHandle {
    /// From now on `/readyz` says that the daemon stops.
    pub(crate) fn set_stopping(&self) {
        self.pages.set_stopping();
    }

    /// Another process has the listeners: this one accepts nothing more.
    pub(crate) fn stop(&self) {
        self.inbox.send(Stop);
    }
}
