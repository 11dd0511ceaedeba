//! The start of the control socket.

use std::{sync::Arc, time::Instant};

use super::{
    Control,
    connection::{AskReload, Commands},
};
use crate::{
    error::StartError,
    listen::set::ListenSet,
    side::{Client, SideStart},
    worker::Shared,
};

/// The control socket with the commands of a service, if there is to be one. All that can fail fails here.
pub(crate) fn prepare<M: Send + 'static>(
    control: impl FnOnce() -> Option<Arc<dyn Control>>,
    sockets: &ListenSet,
    shared: &Arc<Shared<M>>,
    reload: AskReload,
) -> Result<Option<SideStart<M>>, StartError> {
    let Some(socket) = sockets.control() else {
        return Ok(None);
    };
    let Some(control) = control() else {
        let text = "--control: this service takes no commands".to_owned();
        return Err(StartError::Configuration(text));
    };
    let commands = Commands {
        control,
        shared: Arc::clone(shared),
        reload,
        start: Instant::now(),
    };
    let serve = move |connection, peer, client: &Client| commands.serve(connection, peer, client);
    SideStart::prepare("--control", [socket], shared, Arc::new(serve))
        .map(Some)
        .map_err(StartError::system("cannot start"))
}
