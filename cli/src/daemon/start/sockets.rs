//! All that a daemon listens on, in the order in which it is looked for: what a service manager passed, what the
//! daemon before had, and what has to be bound.

use std::{io, net::SocketAddr, path::Path};

use policy_socket::Endpoint;
use socket2::Socket;

use crate::{
    args::Options,
    daemon::{
        error::StartError,
        listen::{address::Listen, socket::Bound},
        restart::protocol::{HANDOVER, Predecessor},
    },
};

/// All that a daemon listens on: what the service manager passed, and of what its command line asks
/// for besides, that which its predecessor had, and what it has to bind.
pub(crate) fn sockets(
    options: &Options,
    passed: Vec<Socket>,
    listens: Vec<Listen>,
    predecessor: &mut Option<Predecessor>,
) -> Result<Vec<Bound>, StartError> {
    let passed = passed.into_iter().map(|socket| {
        let bound = Bound::passed(socket).map_err(StartError::system("LISTEN_FDS"))?;
        let is_local = bound.is_local().map_err(StartError::system("LISTEN_FDS"))?;
        match options.limits.allow.is_empty() && !is_local {
            true => Err(StartError::Exposed(format!(
                "{} of LISTEN_FDS",
                bound.asked()
            ))),
            false => Ok(bound),
        }
    });
    let mut bounds = passed.collect::<Result<Vec<_>, _>>()?;
    let passed = bounds.len();
    for (listen, text) in listens.into_iter().zip(&options.listen) {
        let passed = bounds.get(..passed).unwrap_or_default();
        let bound = match &listen.endpoint {
            Endpoint::Inet { .. } => inet(&listen, passed, predecessor),
            Endpoint::Unix(_) => unix(&listen, passed, predecessor),
        };
        bounds.extend(bound.map_err(StartError::system(format!("cannot bind {text}")))?);
    }
    Ok(bounds)
}

fn unix(
    listen: &Listen,
    passed: &[Bound],
    predecessor: &mut Option<Predecessor>,
) -> io::Result<Vec<Bound>> {
    if passed.iter().any(|bound| listen.is(bound)) {
        return Ok(Vec::new());
    }
    let name = listen.endpoint.to_string();
    let left = predecessor
        .as_mut()
        .and_then(|predecessor| predecessor.take(&name));
    match left {
        Some(left) => Ok(vec![Bound::adopted(listen, left)?]),
        None => listen.bind(),
    }
}

/// A socket at each address of a name, unless the service manager has passed one.
fn inet(
    listen: &Listen,
    passed: &[Bound],
    predecessor: &mut Option<Predecessor>,
) -> io::Result<Vec<Bound>> {
    let name = listen.endpoint.to_string();
    let (mut bound, mut rest) = (Vec::new(), Vec::new());
    let is_passed = |address: &SocketAddr| {
        passed
            .iter()
            .any(|bound| bound.address().is_ok_and(|found| found == *address))
    };
    let addresses = listen.addresses()?;
    let asked = addresses.iter().filter(|address| !is_passed(address));
    for address in asked {
        let left = predecessor
            .as_mut()
            .and_then(|predecessor| predecessor.take_at(&name, *address));
        match left {
            Some(left) => bound.push(Bound::adopted(listen, left)?),
            None => rest.push(*address),
        }
    }
    listen.bind_rest(&rest, bound)
}

/// What a `--listen` means.
pub(crate) fn listener(text: &str, options: &Options) -> Result<Listen, StartError> {
    let listen: Listen = text
        .parse()
        .map_err(|error| StartError::Listen(text.to_owned(), error))?;
    match listen.is_exposed() && options.limits.allow.is_empty() {
        true => Err(StartError::Exposed(format!("--listen {text}"))),
        false => Ok(listen),
    }
}

/// The socket of `--handover`: the predecessor's, or one in the place of whatever socket is there,
/// since nobody answered on that.
pub(crate) fn handover(
    path: &Path,
    listen: &Listen,
    predecessor: &mut Option<Predecessor>,
) -> io::Result<Bound> {
    let left = predecessor
        .as_mut()
        .and_then(|predecessor| predecessor.take(HANDOVER));
    match left {
        Some(left) => Bound::adopted(listen, left),
        None => listen.bind_handover(path),
    }
}

/// What the socket of `--handover` is to be: for the user who starts daemons alone.
pub(crate) fn handover_listen(path: &Path) -> Listen {
    Listen {
        endpoint: Endpoint::Unix(path.to_owned()),
        mode: Some(0o600),
        owner: None,
        group: None,
    }
}
