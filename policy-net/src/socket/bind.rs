//! Binding a UNIX socket: its file's mode and owner, and a file that is in the way.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt, lchown},
        net::{UnixListener, UnixStream},
    },
    path::Path,
};

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};

/// The mode and the owner of a UNIX socket's file. The struct may grow: start from the defaults, and say what differs.
///
/// A program that is to connect needs the right to write to the file and to search its directory. Postfix connects as the user
/// `postfix`, and with `chroot` from below its queue directory only:
///
/// ```no_run
/// use policy_net::{BindOptions, Listener};
///
/// # async fn example(postfix: u32) -> Result<(), Box<dyn std::error::Error>> {
/// let mut options = BindOptions::default();
/// options.mode = Some(0o660);
/// options.group = Some(postfix);
/// let endpoint = "unix:/var/spool/postfix/private/policy".parse()?;
/// let listener = Listener::bind_with(&endpoint, &options).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct BindOptions {
    /// Its mode, such as `0o660`; `None`, the default, is what the umask leaves.
    pub mode: Option<u32>,
    /// The ID of the user who is to own it; `None`, the default, is the user of this process.
    pub owner: Option<u32>,
    /// The ID of its group; `None`, the default, is the group of this process, or of the directory.
    pub group: Option<u32>,
}

/// A listening socket that does not block. Its directory is trusted: nobody else may rename what is in it.
pub(super) fn unix(path: &Path, options: &BindOptions) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let address = SocketAddrUnix::new(path)?;
    if let Err(error) = bind(&socket, &address) {
        if error != rustix::io::Errno::ADDRINUSE || !is_stale(path) {
            return Err(error.into());
        }
        fs::remove_file(path)?;
        bind(&socket, &address)?;
    }
    // Nobody can connect before it listens: until then the mode and owner are set.
    let permitted = permit(path, options).and_then(|()| Ok(listen(&socket, BACKLOG)?));
    if let Err(error) = permitted {
        _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(socket.into())
}

fn permit(path: &Path, options: &BindOptions) -> io::Result<()> {
    if options.owner.is_some() || options.group.is_some() {
        lchown(path, options.owner, options.group)?;
    }
    if let Some(mode) = options.mode {
        fs::set_permissions(path, Permissions::from_mode(mode & 0o777))?;
    }
    Ok(())
}

/// Whether this is a socket on which nobody listens.
fn is_stale(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && UnixStream::connect(path).is_err_and(refused)
}

/// As many connections wait to be accepted as the system lets.
const BACKLOG: i32 = 4096;
