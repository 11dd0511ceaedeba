//! All that a daemon listens on, in the order in which it is looked for: what a service manager passed, what the
//! daemon before had, and what has to be bound.

use std::{io, path::Path};

use policy_net::Endpoint;
use socket2::Socket;

use crate::{
    Bound, Listen, Options, StartError,
    handover::{HANDOVER, Predecessor},
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
        if bounds.iter().take(passed).any(|bound| listen.is(bound)) {
            continue;
        }
        let name = listen.endpoint.to_string();
        let left = predecessor
            .as_mut()
            .and_then(|predecessor| predecessor.take(&name));
        let bound = match left {
            Some(left) => Bound::adopted(&listen, left),
            None => listen.bind(),
        };
        bounds.push(bound.map_err(StartError::system(format!("cannot bind {text}")))?);
    }
    Ok(bounds)
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
