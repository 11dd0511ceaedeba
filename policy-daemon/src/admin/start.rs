//! The start of the admin listener.

use std::sync::Arc;

use super::{Admin, connection, daemon_metrics::DaemonMetrics, pages::Pages, status::INTERVAL};
use crate::{
    error::StartError,
    listen::set::ListenSet,
    options::DaemonOptions,
    side::{Client, SideStart},
    worker::Shared,
};

/// The admin listener with what a service shows, if there is to be one. All that can fail fails here.
pub(crate) fn prepare<M: Send + 'static>(
    options: &DaemonOptions,
    admin: impl FnOnce() -> Option<Arc<dyn Admin>>,
    sockets: &ListenSet,
    shared: &Arc<Shared<M>>,
) -> Result<Option<SideStart<M>>, StartError> {
    if options.admin.is_empty() {
        return Ok(None);
    }
    let Some(admin) = admin() else {
        let text = "--admin: this service has nothing to show".to_owned();
        return Err(StartError::Configuration(text));
    };
    let daemon = DaemonMetrics::new(Arc::clone(shared));
    let pages = Arc::new(Pages::new(&options.name, &options.admin, admin, daemon));
    let shown = Arc::clone(&pages);
    let serve = move |connection, peer, client: &Client| {
        // A client that has gone needs no line in the log.
        _ = connection::serve(connection, peer, client, &shown);
    };
    let side = SideStart::prepare("--admin", sockets.admin(), shared, Arc::new(serve))
        .map_err(StartError::system("cannot start"))?;
    let work = move || pages.sample();
    Ok(Some(side.with_work(INTERVAL, Arc::new(work))))
}
