//! The start of the control socket.

use std::{sync::Arc, time::Instant};

use super::connection::Commands;
use crate::{
    daemon::Event,
    error::StartError,
    listen::set::ListenSet,
    service::Service,
    side::{Client, SideStart},
    worker::{Inbox, Shared},
};

/// The control socket, if there is to be one. All that can fail fails here.
pub(crate) fn prepare<S: Service>(
    service: &S,
    sockets: &ListenSet,
    shared: &Arc<Shared<S::Message>>,
    events: &Arc<Inbox<Event>>,
) -> Result<Option<SideStart<S::Message>>, StartError> {
    let Some(socket) = sockets.control() else {
        return Ok(None);
    };
    let Some(control) = service.control() else {
        let text = "--control: this service takes no commands".to_owned();
        return Err(StartError::Configuration(text));
    };
    let commands = Commands {
        control,
        shared: Arc::clone(shared),
        events: Arc::clone(events),
        start: Instant::now(),
    };
    let serve = move |connection, peer, client: &Client| commands.serve(connection, peer, client);
    SideStart::prepare("--control", [socket], shared, Arc::new(serve))
        .map(Some)
        .map_err(StartError::system("cannot start"))
}
