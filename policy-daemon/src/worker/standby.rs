//! Threads that are started before their work is certain.

use std::{
    io,
    sync::mpsc::{Sender, channel},
    thread,
};

/// Starts a thread early: starting can fail, handing over work cannot. The thread ends when the sender is dropped instead.
pub(crate) fn spawn<W: Send + 'static>(
    name: &str,
    work: impl FnOnce(W) + Send + 'static,
) -> io::Result<Sender<W>> {
    let (sender, receiver) = channel();
    let wait = move || {
        if let Ok(given) = receiver.recv() {
            work(given);
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(wait)?;
    Ok(sender)
}
