//! The look-up of a name's addresses, on a thread of its own.

use std::{
    fs::File,
    io,
    net::{SocketAddr, ToSocketAddrs},
    thread,
};

use policy_socket::is_local;
use thiserror::Error;
use tokio::sync::oneshot;

/// No thread could be started, and so the server has not been asked.
#[derive(Debug, Error)]
#[error("no thread to look up '{name}': {error}")]
pub(crate) struct NoThread {
    name: Box<str>,
    error: io::Error,
}

impl NoThread {
    pub(crate) fn error(name: &str, error: io::Error) -> io::Error {
        let name = name.into();
        io::Error::new(error.kind(), Self { name, error })
    }
}

/// The addresses of a name, as the system's resolver says. It goes on when nobody waits for it any more.
pub(crate) async fn look_up(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let host = (name.to_owned(), port);
    on_a_thread(name, move || host.to_socket_addrs().map(Iterator::collect)).await
}

/// The result of a function that may block. Tokio's threads are not for it: where none can be started, its runtime panics.
async fn on_a_thread(
    name: &str,
    look_up: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> io::Result<Vec<SocketAddr>> {
    let (sender, receiver) = oneshot::channel();
    let look_up = move || {
        let list = look_up().map_err(|error| exhausted().unwrap_or(error));
        // The task that waited may have gone.
        _ = sender.send(list);
    };
    let thread = thread::Builder::new().name("look-up".to_owned());
    thread
        .spawn(look_up)
        .map_err(|error| NoThread::error(name, error))?;
    receiver.await.map_err(io::Error::other)?
}

/// The resource that this process has run out of. A resolver that cannot open its files says that there is no such name.
fn exhausted() -> Option<io::Error> {
    File::open("/").err().filter(is_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_look_up_tells_what_came_of_it() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let found = on_a_thread("policy.example", move || Ok(vec![address])).await;
        assert_eq!(found.unwrap(), [address]);
        let failing = || Err(io::ErrorKind::NotFound.into());
        let error = on_a_thread("policy.example", failing).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let found = look_up("127.0.0.1", 1).await;
        assert_eq!(found.unwrap(), [address]);
    }
}
