//! The endpoint where a connection was accepted, as its own socket says.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

use policy_net::{Endpoint, Stream};
use rustix::net::{SocketAddrUnix, getsockname};

/// The endpoint, whichever process has accepted the connection. An IPv4 address stands in its own form.
pub(super) fn local_endpoint(stream: &Stream) -> Option<Endpoint> {
    match stream {
        Stream::Tcp(stream) => {
            let address = stream.local_addr().ok()?;
            let host = address.ip().to_canonical().to_string();
            let port = address.port();
            Some(Endpoint::Inet { host, port })
        }
        Stream::Unix(stream) => {
            let address = SocketAddrUnix::try_from(getsockname(stream).ok()?).ok()?;
            Some(Endpoint::Unix(PathBuf::from(OsStr::from_bytes(
                address.path_bytes()?,
            ))))
        }
        _ => None,
    }
}
