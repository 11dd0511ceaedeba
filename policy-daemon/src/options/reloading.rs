//! A daemon whose service reads its options again: its workers, and the addresses where it listens.

use std::io;

use policy_socket::Endpoint;

use super::{DaemonOptions, check_bound};
use crate::{
    error::StartError,
    listen::{address::ListenAddr, set::ListenSet, socket::ListenSocket},
    worker::{Listener, Shared, Workers},
};

/// A daemon whose service reads its options again.
///
/// A service that may listen at other addresses has them bound first ([`bind`](Self::bind)), which may fail and changes
/// nothing, and then listens there ([`listen`](Self::listen)), which cannot fail.
#[derive(Debug)]
pub struct Reloading<'a, M> {
    pub(crate) shared: &'a Shared<M>,
    pub(crate) sockets: &'a ListenSet,
    pub(crate) options: &'a DaemonOptions,
}

/// The result of reading options again.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reloaded {
    /// The service cannot do that, which the log says.
    Unsupported,
    /// The options hold that were read: what has changed, a line each.
    Done(Vec<String>),
    /// They have faults, and those of before hold on: the faults, a line each, which the service has logged.
    Failed(Vec<String>),
}

/// The addresses where a daemon is to listen, with the sockets for them. Dropping it leaves all as it was.
#[derive(Debug)]
pub struct NextListeners {
    /// For each socket that there is: whether it stays.
    kept: Vec<bool>,
    new: Vec<ListenSocket>,
    /// For each worker.
    listeners: Vec<Vec<Listener>>,
    opened: Vec<Endpoint>,
    closed: Vec<Endpoint>,
}

impl<M> Reloading<'_, M> {
    /// The workers.
    #[must_use]
    pub const fn workers(&self) -> &Workers<M> {
        &self.shared.workers
    }

    /// Binds those of these addresses where the daemon does not listen yet, with the rights that it has by now. Sockets of
    /// a service manager stay in any case.
    ///
    /// # Errors
    ///
    /// [`StartError`], as at the start; also where the mode or the owner of a UNIX socket is another one, which needs a
    /// restart.
    pub fn bind(&self, listen: &[String]) -> Result<NextListeners, StartError> {
        let options = DaemonOptions {
            listen: listen.to_vec(),
            ..self.options.clone()
        };
        options.check_listeners().map_err(|error| {
            let text = format!("{}, until this daemon is restarted", error.line());
            StartError::Configuration(text)
        })?;
        let addresses = options.listen_addrs().collect::<Result<Vec<_>, _>>()?;
        self.sockets.with_clients(|sockets| {
            let mut next = NextListeners {
                kept: sockets
                    .iter()
                    .map(|socket| stays(socket, &addresses))
                    .collect(),
                new: Vec::new(),
                listeners: Vec::new(),
                opened: Vec::new(),
                closed: Vec::new(),
            };
            for (address, text) in addresses.iter().zip(listen) {
                let is_there =
                    |socket: &&ListenSocket| address.is_of(socket) && socket.is_in_place();
                let mut there = sockets.iter().filter(is_there);
                match there.next() {
                    None => {
                        let bound = address.bind();
                        let bound = bound.map_err(|error| match overlap(address, sockets) {
                            // The mode of its own socket may keep it out by now.
                            Some(own) if is_taken(error.kind()) => {
                                StartError::Configuration(format!(
                                    "cannot bind {text} while this daemon listens at {own}: restart it, or take \
                                     that out, reload, and add this"
                                ))
                            }
                            _ => StartError::system(format!("cannot bind {text}"))(error),
                        });
                        let (bound, has_allow) = (bound?, !options.allow.is_empty());
                        let listen = options.names.listen;
                        check_bound(listen, text, &bound, has_allow, options.allow_hint)?;
                        next.new.extend(bound);
                    }
                    Some(socket) if socket.is_requested_as(address) => {}
                    Some(_) => {
                        let listen = options.names.listen;
                        let text =
                            format!("{listen} {text}: another mode or owner needs a restart");
                        return Err(StartError::Configuration(text));
                    }
                }
            }
            let cannot_listen = StartError::system("cannot listen");
            next.prepare(sockets, self.workers().len())
                .map_err(cannot_listen)?;
            Ok(next)
        })
    }

    /// Listens there from now on, and nowhere else. Each worker is told its listeners by a message, which are to take the
    /// place of those that it has. Returns where the daemon listens that it did not before, and the other way round; the
    /// file of a UNIX socket that it has left is removed.
    pub fn listen(
        &self,
        next: NextListeners,
        message: impl Fn(Vec<Listener>) -> M,
    ) -> (Vec<Endpoint>, Vec<Endpoint>) {
        let NextListeners {
            kept,
            new,
            listeners,
            opened,
            closed,
        } = next;
        for (worker, listeners) in listeners.into_iter().enumerate() {
            self.shared.workers.tell(worker, message(listeners));
        }
        self.sockets.exchange(&kept, new);
        (opened, closed)
    }
}

impl NextListeners {
    /// Whether the daemon listens there already, and nowhere else.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.new.is_empty() && self.kept.iter().all(|kept| *kept)
    }

    /// All that can fail.
    fn prepare(&mut self, sockets: &[ListenSocket], workers: usize) -> io::Result<()> {
        let kept = || sockets.iter().zip(&self.kept);
        let closed = kept().filter(|(_, kept)| !**kept);
        let closed = closed.map(|(socket, _)| socket.endpoint());
        let closed = closed.collect::<io::Result<Vec<_>>>()?;
        let opened = self.new.iter().map(ListenSocket::endpoint);
        let opened = opened.collect::<io::Result<Vec<_>>>()?;
        let stay = kept().filter(|(_, kept)| **kept);
        let all: Vec<&ListenSocket> = stay.map(|(socket, _)| socket).chain(&self.new).collect();
        let of_worker = |_| all.iter().map(|socket| Listener::new(socket)).collect();
        let listeners = (0..workers).map(of_worker).collect::<io::Result<_>>()?;
        self.listeners = listeners;
        self.closed = closed;
        // One that was bound again is in both.
        self.closed.retain(|endpoint| !opened.contains(endpoint));
        self.opened = opened;
        Ok(())
    }
}

const fn is_taken(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
    )
}

/// Whether the daemon goes on with a socket.
fn stays(socket: &ListenSocket, addresses: &[ListenAddr]) -> bool {
    let is_asked_for = || addresses.iter().any(|address| address.is_of(socket));
    socket.is_manager_owned() || is_asked_for() && socket.is_in_place()
}

/// Where this daemon listens so that another address cannot be bound.
fn overlap(address: &ListenAddr, sockets: &[ListenSocket]) -> Option<Endpoint> {
    let mut own = sockets.iter().filter_map(|socket| socket.endpoint().ok());
    own.find(|own| address.overlaps(&ListenAddr::from(own.clone())))
}
