use std::{fs, io, os::unix::fs::FileTypeExt, path::Path};

use policy_net::Endpoint;
use socket2::{Socket, Type};

use crate::{
    Bound, Listen, Options, StartError,
    handover::{HANDOVER, Predecessor},
};

/// All that a daemon listens on: what the service manager passed, and of what its command line asks
/// for besides, that which its predecessor had, and what it has to bind.
pub(crate) fn sockets(
    options: &Options,
    passed: Vec<Socket>,
    predecessor: &mut Option<Predecessor>,
    workers: usize,
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
    for text in &options.listen {
        let listen = listener(text, options)?;
        if bounds.iter().take(passed).any(|bound| listen.is(bound)) {
            continue;
        }
        let name = listen.endpoint.to_string();
        let left = predecessor
            .as_mut()
            .and_then(|predecessor| predecessor.take(&name));
        let bound = match left {
            Some(left) => Bound::adopted(&listen, left),
            None => listen.bind(workers),
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
    owner: Option<u32>,
    predecessor: &mut Option<Predecessor>,
) -> io::Result<Bound> {
    let listen = Listen {
        endpoint: Endpoint::Unix(path.to_owned()),
        mode: Some(0o600),
        owner,
        group: None,
    };
    let left = predecessor
        .as_mut()
        .and_then(|predecessor| predecessor.take(HANDOVER));
    match left {
        Some(left) => Bound::adopted(&listen, left),
        None => {
            remove_socket(path)?;
            listen.bind_unix(path, Type::SEQPACKET)
        }
    }
}

fn remove_socket(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) => Err(error),
    }
}
