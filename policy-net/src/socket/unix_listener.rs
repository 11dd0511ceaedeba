//! A listening UNIX stream socket.

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net,
    },
};

use tokio::io::{Interest, unix::AsyncFd};

use super::{UnixStream, unix_stream::registered};

/// A listening UNIX stream socket, as tokio's is one, whose connections are [`UnixStream`]s.
#[derive(Debug)]
pub struct UnixListener(AsyncFd<net::UnixListener>);

impl UnixListener {
    /// Registers it with the runtime that this is called in. It has to be one that
    /// [does not block](net::UnixListener::set_nonblocking).
    ///
    /// # Errors
    ///
    /// Errors of the system.
    ///
    /// # Panics
    ///
    /// Outside of a runtime whose I/O is enabled.
    pub fn from_std(listener: net::UnixListener) -> io::Result<Self> {
        registered(listener, Interest::READABLE).map(Self)
    }

    /// The next connection. It is cancel safe: nothing is lost when the returned future is dropped before its end.
    ///
    /// # Errors
    ///
    /// Errors of the system; `WouldBlock` once the socket has been shut down.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            let mut ready = self.0.readable().await?;
            match self.0.get_ref().accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    return UnixStream::from_std(stream);
                }
                // One that was shut down stays readable without an end: a loop that tries again would do nothing else.
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock
                        && !ready.ready().is_read_closed() =>
                {
                    ready.clear_ready();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn local_addr(&self) -> io::Result<net::SocketAddr> {
        self.0.get_ref().local_addr()
    }
}

impl AsFd for UnixListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread, time::Duration};

    use rustix::net::{Shutdown, shutdown};
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn a_socket_that_was_shut_down_takes_no_connection_and_no_thread() {
        let directory = tempfile::tempdir().unwrap();
        let listener = net::UnixListener::bind(directory.path().join("socket")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (sender, ended) = mpsc::channel();
        // Of its own: a loop without an end would never end the test.
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = UnixListener::from_std(listener).unwrap();
                shutdown(&listener, Shutdown::Both).unwrap();
                let accepted = listener.accept().await;
                _ = sender.send(accepted.map(drop).map_err(|error| error.kind()));
            });
        });
        let accepted = ended.recv_timeout(Duration::from_secs(20));
        assert_eq!(accepted, Ok(Err(io::ErrorKind::WouldBlock)));
    }
}
