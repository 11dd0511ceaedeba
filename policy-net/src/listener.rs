use std::{
    future::poll_fn,
    io,
    os::fd::OwnedFd,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::{
    net::{TcpListener, UnixListener},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::{Endpoint, Stream};

/// A listening TCP or UNIX socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A UNIX stream socket.
    Unix(UnixListener),
    /// Connections that others have accepted, also other processes.
    Passed(Passed),
}

/// See [`Listener::passed`].
#[derive(Debug)]
pub struct Passed(Mutex<UnboundedReceiver<OwnedFd>>);

impl Listener {
    /// Listens here; an existing file in the way of a UNIX socket is an error.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
    /// use policy_net::Listener;
    ///
    /// let listener = Listener::bind(&"inet:127.0.0.1:0".parse()?).await?;
    /// assert!(listener.endpoint()?.to_string().starts_with("inet:127.0.0.1:"));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn bind(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Inet { host, port } => TcpListener::bind((host.as_str(), *port))
                .await
                .map(Self::Tcp),
            Endpoint::Unix(path) => UnixListener::bind(path).map(Self::Unix),
        }
    }

    /// A listener for connected sockets that are sent to it. Those that have been sent when the
    /// server is to stop are still served; any that is no connection is closed.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
    /// use policy_net::{Listener, Stream};
    /// use tokio::{io::AsyncReadExt, net::UnixStream};
    ///
    /// let (sender, listener) = Listener::passed();
    /// let (near, mut far) = UnixStream::pair()?;
    /// assert!(sender.send(Stream::Unix(near).into_descriptor()?).is_ok());
    /// drop(listener.accept().await?);
    /// assert_eq!(far.read(&mut [0]).await?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn passed() -> (UnboundedSender<OwnedFd>, Self) {
        let (sender, receiver) = unbounded_channel();
        (sender, Self::Passed(Passed(Mutex::new(receiver))))
    }

    /// Where it listens, with the port that the system chose.
    ///
    /// # Errors
    ///
    /// What the system says; a UNIX socket without a path, or none at all.
    pub fn endpoint(&self) -> io::Result<Endpoint> {
        match self {
            Self::Tcp(listener) => {
                let address = listener.local_addr()?;
                Ok(Endpoint::Inet {
                    host: address.ip().to_string(),
                    port: address.port(),
                })
            }
            Self::Unix(listener) => {
                let address = listener.local_addr()?;
                let path = address
                    .as_pathname()
                    .ok_or(io::ErrorKind::AddrNotAvailable)?;
                Ok(Endpoint::Unix(path.to_owned()))
            }
            Self::Passed(_) => Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    }

    /// The next connection.
    ///
    /// # Errors
    ///
    /// What the system says: this one connection is lost, or descriptors have run out.
    pub async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // A reply is one write: there is nothing to gather.
                // It fails where the client has gone already, as its first read will tell.
                _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(listener) => listener
                .accept()
                .await
                .map(|(stream, _)| Stream::Unix(stream)),
            Self::Passed(passed) => Ok(poll_fn(|cx| passed.poll(cx)).await),
        }
    }
}

impl Passed {
    /// One that has been sent already.
    pub(crate) fn take(&self) -> Option<Stream> {
        let mut receiver = self.receiver();
        std::iter::from_fn(|| receiver.try_recv().ok()).find_map(|fd| Stream::try_from(fd).ok())
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Stream> {
        let mut receiver = self.receiver();
        loop {
            match ready!(receiver.poll_recv(cx)).map(Stream::try_from) {
                Some(Ok(stream)) => return Poll::Ready(stream),
                // Nobody waits for it.
                Some(Err(_)) => {}
                // No more will ever come.
                None => return Poll::Pending,
            }
        }
    }

    fn receiver(&self) -> MutexGuard<'_, UnboundedReceiver<OwnedFd>> {
        // Nothing that holds the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}
