//! The start of the admin listener, and the main thread's handle of it.

use std::sync::Arc;

use super::{connection, daemon_metrics::DaemonMetrics, pages::Pages, status::INTERVAL};
use crate::{
    error::StartError,
    listen::set::ListenSet,
    options::DaemonOptions,
    service::Service,
    side::{SideHandle, SideStart},
    worker::Shared,
};

/// An admin listener whose thread has been started, and waits for its work.
pub(crate) struct AdminStart<M> {
    side: SideStart<M>,
    pages: Arc<Pages>,
}

/// The main thread's handle of the admin listener.
#[derive(Debug)]
pub(crate) struct AdminHandle {
    side: SideHandle,
    pages: Arc<Pages>,
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
        let shown = Arc::clone(&pages);
        // A client that has gone needs no line in the log.
        let serve = move |connection, _| _ = connection::serve(connection, &shown);
        let side = SideStart::prepare("--admin", sockets.admin(), shared, Arc::new(serve))
            .map_err(StartError::system("cannot start"))?;
        let sampled = Arc::clone(&pages);
        let side = side.with_work(INTERVAL, Arc::new(move || sampled.sample()));
        Ok(Some(Self { side, pages }))
    }

    /// Has the thread serve.
    pub(crate) fn begin(self) -> AdminHandle {
        AdminHandle {
            side: self.side.begin(),
            pages: self.pages,
        }
    }
}

impl AdminHandle {
    /// From now on `/readyz` says that the daemon stops.
    pub(crate) fn set_stopping(&self) {
        self.pages.set_stopping();
    }

    /// Another process has the listeners: this one accepts nothing more.
    pub(crate) fn stop(&self) {
        self.side.stop();
    }
}
