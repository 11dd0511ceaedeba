use std::{
    future::{pending, poll_fn},
    io,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, error::SendError, unbounded_channel},
};

use crate::{Endpoint, Stream, UnixListener};

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
pub struct Passed {
    receiver: Mutex<UnboundedReceiver<OwnedFd>>,
    waiting: Arc<AtomicUsize>,
}

/// Passes connections to a [`Listener::passed`].
#[derive(Clone, Debug)]
pub struct Passer {
    sender: UnboundedSender<OwnedFd>,
    waiting: Arc<AtomicUsize>,
}

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
            Endpoint::Unix(path) => {
                let listener = std::os::unix::net::UnixListener::bind(path)?;
                listener.set_nonblocking(true)?;
                UnixListener::from_std(listener).map(Self::Unix)
            }
        }
    }

    /// A listener for connected sockets that are passed to it. Those that have been passed when the
    /// server is to stop are still served; any that is no connection is closed.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
    /// use policy_net::Listener;
    /// use tokio::{io::AsyncReadExt, net::UnixStream};
    ///
    /// let (passer, listener) = Listener::passed();
    /// let (near, mut far) = UnixStream::pair()?;
    /// assert!(passer.pass(near.into_std()?.into()).is_ok());
    /// assert_eq!(passer.waiting(), 1);
    /// drop(listener.accept().await?);
    /// assert_eq!(passer.waiting(), 0);
    /// assert_eq!(far.read(&mut [0]).await?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn passed() -> (Passer, Self) {
        let (sender, receiver) = unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let passed = Passed {
            receiver: Mutex::new(receiver),
            waiting: Arc::clone(&waiting),
        };
        (Passer { sender, waiting }, Self::Passed(passed))
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
            Self::Unix(listener) => listener.accept().await.map(Stream::Unix),
            Self::Passed(passed) => match passed.next().await {
                Some(stream) => Ok(stream),
                // No more will ever come.
                None => pending().await,
            },
        }
    }
}

impl Passer {
    /// Has this connection served there.
    ///
    /// # Errors
    ///
    /// It comes back when that server stops, or has.
    pub fn pass(&self, connection: OwnedFd) -> Result<(), OwnedFd> {
        // Before it can be taken.
        self.waiting.fetch_add(1, Relaxed);
        self.sender.send(connection).map_err(|SendError(back)| {
            self.waiting.fetch_sub(1, Relaxed);
            back
        })
    }

    /// How many have been passed, and not been taken yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }
}

impl Passed {
    /// From now on none can be passed; those that have been are still here.
    pub(crate) fn close(&self) {
        self.receiver().close();
    }

    /// The next one; `None` when no more will ever come.
    pub(crate) async fn next(&self) -> Option<Stream> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Stream>> {
        let mut receiver = self.receiver();
        while let Some(connection) = ready!(receiver.poll_recv(cx)) {
            self.waiting.fetch_sub(1, Relaxed);
            // What is none is closed: nobody waits for it.
            if let Ok(stream) = Stream::try_from(connection) {
                return Poll::Ready(Some(stream));
            }
        }
        Poll::Ready(None)
    }

    fn receiver(&self) -> MutexGuard<'_, UnboundedReceiver<OwnedFd>> {
        // Nothing that holds the lock can panic half-way.
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner)
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
