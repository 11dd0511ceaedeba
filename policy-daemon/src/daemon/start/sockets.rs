//! The listening sockets of a daemon, looked for in this order: passed by a service manager, left by the daemon before,
//! bound by this process.

use std::{io, net::SocketAddr, path::Path};

use policy_socket::Endpoint;
use socket2::Socket;

use crate::{
    daemon::restart::protocol::Predecessor,
    error::StartError,
    listen::{address::ListenAddr, set::HANDOVER, socket::ListenSocket},
    options::{DaemonOptions, check_bound, exposed},
};

/// The sources of a daemon's listening sockets.
pub(super) struct Sockets<'a> {
    pub(super) options: &'a DaemonOptions,
    pub(super) predecessor: &'a mut Option<Predecessor>,
}

impl Sockets<'_> {
    /// The sockets for clients: those that the service manager has passed, and those for all other addresses.
    pub(super) fn for_clients(
        &mut self,
        passed: Vec<Socket>,
        addresses: Vec<ListenAddr>,
    ) -> Result<Vec<ListenSocket>, StartError> {
        let passed = passed.into_iter().map(|socket| self.check_passed(socket));
        let mut sockets = passed.collect::<Result<Vec<_>, _>>()?;
        let options = self.options;
        let given = (options.names.listen, !options.allow.is_empty());
        let found = self.at(given, &addresses, &options.listen, &sockets)?;
        sockets.extend(found);
        Ok(sockets)
    }

    /// The sockets of `--admin`.
    pub(super) fn for_admin(
        &mut self,
        addresses: &[ListenAddr],
    ) -> Result<Vec<ListenSocket>, StartError> {
        let options = self.options;
        let given = ("--admin", !options.admin_allow().is_empty());
        self.at(given, addresses, &options.admin, &[])
    }

    /// The socket of `--control`.
    pub(super) fn for_control(&mut self, address: &ListenAddr) -> Result<ListenSocket, StartError> {
        let found = self.unix(address, &[]).and_then(|mut found| {
            let none = || io::Error::from(io::ErrorKind::AddrNotAvailable);
            found.pop().ok_or_else(none)
        });
        found.map_err(StartError::system(format!(
            "--control {}",
            address.endpoint
        )))
    }

    /// The sockets at these addresses, which were given as these texts by an option that others may reach or not, but for those
    /// that were passed.
    fn at(
        &mut self,
        (option, has_allow): (&str, bool),
        addresses: &[ListenAddr],
        texts: &[String],
        passed: &[ListenSocket],
    ) -> Result<Vec<ListenSocket>, StartError> {
        let mut sockets = Vec::new();
        for (address, text) in addresses.iter().zip(texts) {
            let found = match &address.endpoint {
                Endpoint::Inet { .. } => self.inet(address, passed),
                _ => self.unix(address, passed),
            };
            let found = found.map_err(StartError::system(format!("cannot bind {text}")))?;
            check_bound(option, text, &found, has_allow, self.options.allow_hint)?;
            sockets.extend(found);
        }
        Ok(sockets)
    }

    /// The socket of `--handover`: the predecessor's, or a new one in place of a socket on which no daemon has answered.
    pub(super) fn for_handover(&mut self, path: &Path) -> Result<ListenSocket, StartError> {
        let address = handover_addr(path);
        let left = self.predecessor.as_mut();
        let socket = match left.and_then(|predecessor| predecessor.take(HANDOVER)) {
            Some(left) => ListenSocket::inherited(&address, left),
            None => address.bind_handover(path),
        };
        socket.map_err(StartError::system(format!("--handover {}", path.display())))
    }

    fn check_passed(&self, socket: Socket) -> Result<ListenSocket, StartError> {
        let from_manager = || StartError::system("LISTEN_FDS");
        let socket = ListenSocket::from_manager(socket).map_err(from_manager())?;
        let is_local = socket.is_local().map_err(from_manager())?;
        if self.options.allow.is_empty() && !is_local {
            let text = format!("{} of LISTEN_FDS", socket.requested());
            return Err(exposed(text, self.options.allow_hint));
        }
        Ok(socket)
    }

    fn unix(
        &mut self,
        address: &ListenAddr,
        passed: &[ListenSocket],
    ) -> io::Result<Vec<ListenSocket>> {
        if passed.iter().any(|socket| address.is(socket)) {
            return Ok(Vec::new());
        }
        let name = address.endpoint.to_string();
        let left = self.predecessor.as_mut();
        match left.and_then(|predecessor| predecessor.take(&name)) {
            Some(left) => Ok(vec![ListenSocket::inherited(address, left)?]),
            None => address.bind(),
        }
    }

    /// A socket at each address of a host, unless the service manager has passed one.
    fn inet(
        &mut self,
        address: &ListenAddr,
        passed: &[ListenSocket],
    ) -> io::Result<Vec<ListenSocket>> {
        let name = address.endpoint.to_string();
        let (mut sockets, mut rest) = (Vec::new(), Vec::new());
        let is_passed = |wanted: &SocketAddr| {
            let mut passed = passed.iter();
            passed.any(|socket| socket.address().is_ok_and(|found| found == *wanted))
        };
        let addresses = address.addresses()?;
        for wanted in addresses.iter().filter(|wanted| !is_passed(wanted)) {
            let left = self.predecessor.as_mut();
            match left.and_then(|predecessor| predecessor.take_at(&name, *wanted)) {
                Some(left) => sockets.push(ListenSocket::inherited(address, left)?),
                None => rest.push(*wanted),
            }
        }
        address.bind_rest(&rest, sockets)
    }
}

/// The socket of `--handover` is for the user who starts daemons alone.
pub(super) fn handover_addr(path: &Path) -> ListenAddr {
    ListenAddr {
        mode: Some(0o600),
        ..ListenAddr::from(Endpoint::Unix(path.to_owned()))
    }
}
