use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    os::{
        fd::OwnedFd,
        unix::{fs::FileTypeExt, fs::MetadataExt},
    },
    path::Path,
};

use policy_net::{Endpoint, InvalidEndpoint, Listener};
use rustix::fs::Mode;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use thiserror::Error;

use crate::users;

/// Where to listen: `inet:HOST:PORT`, or `unix:/path[,mode=0660][,owner=USER][,group=GROUP]`.
///
/// ```
/// use hapolicy::Listen;
///
/// let listen: Listen = "unix:/run/policy.sock,mode=0660".parse()?;
/// assert_eq!(listen.endpoint.to_string(), "unix:/run/policy.sock");
/// assert!("unix:/run/policy.sock,mode=rw".parse::<Listen>().is_err());
/// # Ok::<(), hapolicy::InvalidListen>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Listen {
    /// The address.
    pub endpoint: Endpoint,
    /// The mode of a UNIX socket; what the umask leaves if not given.
    pub mode: Option<u32>,
    /// The user ID that is to own it.
    pub owner: Option<u32>,
    /// Its group ID.
    pub group: Option<u32>,
}

/// Why a text is no place to listen.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum InvalidListen {
    /// Not an address.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// A word behind the path that is none of `mode=`, `owner=` and `group=`.
    #[error("unknown option '{0}'")]
    Option(String),
    /// A mode that is not an octal number up to 0777.
    #[error("invalid mode '{0}'")]
    Mode(String),
    /// No such user.
    #[error("unknown user '{0}'")]
    User(String),
    /// No such group.
    #[error("unknown group '{0}'")]
    Group(String),
}

impl std::str::FromStr for Listen {
    type Err = InvalidListen;

    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        let mut words = text.split(',');
        let endpoint = words.next().unwrap_or_default().parse()?;
        let mut listen = Self {
            endpoint,
            mode: None,
            owner: None,
            group: None,
        };
        let is_unix = matches!(listen.endpoint, Endpoint::Unix(_));
        for word in words {
            match word.split_once('=').filter(|_| is_unix) {
                Some(("mode", mode)) => {
                    // A sign would be taken for a part of the number.
                    let digits = mode.bytes().all(|byte| byte.is_ascii_digit());
                    let octal = u32::from_str_radix(mode, 8)
                        .ok()
                        .filter(|mode| digits && *mode <= 0o777);
                    listen.mode = Some(octal.ok_or_else(|| InvalidListen::Mode(mode.to_owned()))?);
                }
                Some(("owner", name)) => {
                    let user =
                        users::user(name).ok_or_else(|| InvalidListen::User(name.to_owned()))?;
                    listen.owner = Some(user.uid.as_raw());
                }
                Some(("group", name)) => {
                    let gid =
                        users::group(name).ok_or_else(|| InvalidListen::Group(name.to_owned()))?;
                    listen.group = Some(gid.as_raw());
                }
                _ => return Err(InvalidListen::Option(word.to_owned())),
            }
        }
        Ok(listen)
    }
}

/// A bound socket, from which each worker takes a listener of its own runtime.
#[derive(Debug)]
pub struct Bound {
    socket: OwnedFd,
    /// The path of a UNIX socket and its inode, to be removed at the end.
    path: Option<(std::path::PathBuf, u64)>,
}

impl Listen {
    /// Binds the socket and begins to listen.
    ///
    /// A UNIX socket that nobody listens on is replaced. To be called before threads are started: the
    /// umask is set for a moment, so that the socket never has a wider mode than asked for.
    ///
    /// # Errors
    ///
    /// What the system says; `AddrInUse` for a UNIX socket that somebody listens on, or a path that is
    /// something else.
    pub fn bind(&self) -> io::Result<Bound> {
        match &self.endpoint {
            Endpoint::Inet { host, port } => {
                let mut last = io::ErrorKind::NotFound.into();
                for address in (host.as_str(), *port).to_socket_addrs()? {
                    match bind_tcp(address) {
                        Ok(socket) => {
                            return Ok(Bound {
                                socket: socket.into(),
                                path: None,
                            });
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            Endpoint::Unix(path) => self.bind_unix(path),
        }
    }

    /// Whether it is, or may be, a TCP socket that other machines can reach. A name that cannot be
    /// resolved is none: binding it will tell.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let Endpoint::Inet { host, port } = &self.endpoint else {
            return false;
        };
        let addresses = (host.as_str(), *port).to_socket_addrs();
        addresses.is_ok_and(|mut addresses| addresses.any(|address| !is_loopback(address.ip())))
    }

    fn bind_unix(&self, path: &Path) -> io::Result<Bound> {
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        let umask = self
            .mode
            .map(|mode| rustix::process::umask(Mode::from_raw_mode(!mode & 0o777)));
        let bound = socket.bind(&SockAddr::unix(path)?);
        if let Some(umask) = umask {
            rustix::process::umask(umask);
        }
        bound?;
        let inode = std::fs::symlink_metadata(path)?.ino();
        let bound = Bound {
            socket: socket.into(),
            path: Some((path.to_owned(), inode)),
        };
        if self.owner.is_some() || self.group.is_some() {
            std::os::unix::fs::lchown(path, self.owner, self.group)?;
        }
        // Only now, so that nobody connects before the owner is right.
        rustix::net::listen(&bound.socket, BACKLOG)?;
        Ok(bound)
    }
}

impl Bound {
    /// A listener on this socket, for the runtime that this is called in.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn listener(&self) -> io::Result<Listener> {
        let socket = Socket::from(self.socket.try_clone()?);
        socket.set_nonblocking(true)?;
        Ok(match self.path {
            None => tokio::net::TcpListener::from_std(socket.into())?.into(),
            Some(_) => tokio::net::UnixListener::from_std(socket.into())?.into(),
        })
    }

    /// Where it listens, with the port that the system chose.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn endpoint(&self) -> io::Result<Endpoint> {
        if let Some((path, _)) = &self.path {
            return Ok(Endpoint::Unix(path.clone()));
        }
        let address = self.address()?;
        Ok(Endpoint::Inet {
            host: address.ip().to_string(),
            port: address.port(),
        })
    }

    /// Whether only this machine can reach it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn is_local(&self) -> io::Result<bool> {
        Ok(self.path.is_some() || is_loopback(self.address()?.ip()))
    }

    fn address(&self) -> io::Result<SocketAddr> {
        let address = SockRef::from(&self.socket).local_addr()?;
        Ok(address.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?)
    }

    /// Refuses new connections from now on, whatever other descriptors of the socket are open.
    pub fn refuse(&self) {
        // It has no peer, so there is nothing that could fail.
        _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Some((path, inode)) = &self.path
            && std::fs::symlink_metadata(path).is_ok_and(|found| found.ino() == *inode)
        {
            // Another process may not be allowed to; the next start replaces it.
            _ = std::fs::remove_file(path);
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A restart must not wait for the connections of the process before to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Also as IPv6 knows it.
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Removes a UNIX socket that nobody listens on.
fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let refuses = || {
        // Not to wait for room in the queue of one that is alive.
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    let is_stale = found.file_type().is_socket()
        && refuses().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    match is_stale {
        true => std::fs::remove_file(path),
        false => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
