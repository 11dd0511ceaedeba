//! A listening socket, or a queue of connections, as one type.

use std::{future::pending, io};

use tokio::net::TcpListener;

use super::{
    BindOptions, Stream, UnixListener, bind,
    queue::{self, AcceptQueue, AcceptSender},
};
use crate::{Endpoint, Peer};

/// The source of connections: a listening TCP or UNIX socket, or a [queue](Self::queue). A socket that was bound
/// elsewhere, by a service manager say, becomes one with `from`.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
    Queue(AcceptQueue),
}

impl Listener {
    /// Listens here. The file of a UNIX socket on which nobody listens any more is replaced; it has the mode that
    /// the umask leaves, 0755 as a rule, which keeps Postfix out: [`bind_with`](Self::bind_with) takes another one.
    ///
    /// # Errors
    ///
    /// Errors of the system; [`AddrInUse`](io::ErrorKind::AddrInUse) where somebody listens, or the file of a UNIX
    /// socket is none.
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
        Self::bind_with(endpoint, &BindOptions::default()).await
    }

    /// Binds with a mode and an owner for the file of a UNIX socket.
    ///
    /// # Errors
    ///
    /// As for [`bind`](Self::bind), and that the owner cannot be changed.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("policy.sock");
    /// use policy_net::{BindOptions, Endpoint, Listener};
    /// use std::os::unix::fs::PermissionsExt;
    ///
    /// let mut options = BindOptions::default();
    /// options.mode = Some(0o666);
    /// let endpoint = Endpoint::Unix(path.clone());
    /// drop(Listener::bind_with(&endpoint, &options).await?);
    /// assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o666);
    ///
    /// // The file is still there, and replaced.
    /// Listener::bind_with(&endpoint, &options).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn bind_with(endpoint: &Endpoint, options: &BindOptions) -> io::Result<Self> {
        match endpoint {
            Endpoint::Inet { host, port } => TcpListener::bind((host.as_str(), *port))
                .await
                .map(Self::from),
            Endpoint::Unix(path) => {
                let listener = bind::unix(path, options)?;
                UnixListener::from_std(listener).map(Self::from)
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// A listener for connected sockets that are sent to it. Those that have been sent when the
    /// server is to stop are still served; any that is no connection is closed.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
    /// use policy_net::Listener;
    /// use tokio::{io::AsyncReadExt, net::UnixStream};
    ///
    /// let (sender, listener) = Listener::queue();
    /// let (near, mut far) = UnixStream::pair()?;
    /// assert!(sender.send(near.into_std()?.into()).is_ok());
    /// assert_eq!(sender.waiting(), 1);
    /// drop(listener.accept().await?);
    /// assert_eq!(sender.waiting(), 0);
    /// assert_eq!(far.read(&mut [0]).await?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn queue() -> (AcceptSender, Self) {
        let (sender, queue) = queue::queue();
        (sender, Self(Kind::Queue(queue)))
    }

    /// Where it listens, with the port that the system chose.
    ///
    /// # Errors
    ///
    /// Errors of the system; a UNIX socket without a path, or none at all.
    pub fn endpoint(&self) -> io::Result<Endpoint> {
        match &self.0 {
            Kind::Tcp(listener) => {
                let address = listener.local_addr()?;
                Ok(Endpoint::Inet {
                    host: address.ip().to_string(),
                    port: address.port(),
                })
            }
            Kind::Unix(listener) => {
                let address = listener.local_addr()?;
                let path = address
                    .as_pathname()
                    .ok_or(io::ErrorKind::AddrNotAvailable)?;
                Ok(Endpoint::Unix(path.to_owned()))
            }
            Kind::Queue(_) => Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    }

    /// The next connection, and who is at its other end.
    ///
    /// It is cancel safe: no connection is lost when the returned future is dropped before its end.
    ///
    /// # Errors
    ///
    /// Errors of the system: this one connection is lost, or descriptors have run out.
    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.0 {
            Kind::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // A reply is one write: there is nothing to gather.
                // It fails where the client has gone already, as its first read will tell.
                _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Peer::inet(address)))
            }
            Kind::Unix(listener) => {
                let stream = Stream::Unix(listener.accept().await?);
                let peer = Peer::of(&stream).unwrap_or_default();
                Ok((stream, peer))
            }
            Kind::Queue(queue) => match queue.next().await {
                Some(accepted) => Ok(accepted),
                // No more will ever come.
                None => pending().await,
            },
        }
    }

    pub(crate) const fn as_queue(&self) -> Option<&AcceptQueue> {
        match &self.0 {
            Kind::Queue(queue) => Some(queue),
            _ => None,
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self(Kind::Tcp(listener))
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self(Kind::Unix(listener))
    }
}
