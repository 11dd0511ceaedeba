//! The file of a UNIX socket, handled so that a user who can change its directory gains nothing by that.
//!
//! A daemon that root starts may bind in a directory of another user's, such as Postfix's `private/`. That
//! user can put a link or any other file in the socket's place at any moment. So nothing is done to
//! a path: the file is opened without following links, has to be the expected socket, and its mode
//! and owner are set through that descriptor. Binding and removing need a path, and use the privileges of that user.

use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nix::unistd::Uid;
use rustix::{
    fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Stat},
    io::Errno,
    process::geteuid,
};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{directories::Directories, file_rights::with_rights_of};

mod reached;
use reached::{by_descriptor, connect, is_file_of};

/// The place of a UNIX socket.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    name: OsString,
    directory: OwnedFd,
    /// The user whose privileges are used in the directory; `None` for those of this process.
    act_as: Option<u32>,
    /// Device and inode of the socket that was bound or handed over.
    identity: Option<(u64, u64)>,
}

/// The mode, owner and group that a file is to have; `None` leaves the present one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Permissions {
    pub(crate) mode: Option<u32>,
    pub(crate) owner: Option<u32>,
    pub(crate) group: Option<u32>,
}

/// A file whose mode or owner was changed, with the previous ones.
#[derive(Debug)]
pub(crate) struct Changed {
    file: OwnedFd,
    before: Stat,
}

impl SocketFile {
    /// The file at this path, whether there is one or not.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let parent = path.parent().ok_or_else(invalid)?;
        let act_as = if geteuid().is_root() {
            Directories::to(path)?
                .owner_but_root()
                .map_err(io::Error::other)?
        } else {
            None
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            path: path.to_owned(),
            name: path.file_name().ok_or_else(invalid)?.to_owned(),
            directory: rustix::fs::openat(CWD, parent, flags, Mode::empty())?,
            act_as,
            identity: None,
        })
    }

    /// Binds a socket here, never with a wider mode than requested, and has it listen.
    ///
    /// To be called before threads are started: the umask is the process's.
    pub(crate) fn bind(
        &mut self,
        kind: Type,
        wanted: Permissions,
        backlog: i32,
    ) -> io::Result<Socket> {
        let socket = Socket::new(Domain::UNIX, kind, None)?;
        let address = SockAddr::unix(&self.path)?;
        self.as_owner(|| {
            let umask = |mode: u32| rustix::process::umask(Mode::from_raw_mode(!mode & 0o777));
            let before = wanted.mode.map(umask);
            let bound = socket.bind(&address);
            if let Some(before) = before {
                rustix::process::umask(before);
            }
            bound
        })?;
        self.listen(&socket, wanted, backlog)?;
        Ok(socket)
    }

    /// Has the socket that was bound here listen, and sets the permissions of its file.
    ///
    /// # Errors
    ///
    /// `AddrInUse` where another process has put its own file in its place: that file is left alone.
    fn listen(&mut self, socket: &Socket, wanted: Permissions, backlog: i32) -> io::Result<()> {
        socket.listen(backlog)?;
        match self.adopt().and_then(|()| self.check(socket)) {
            Ok(()) => {}
            Err(error) if is_other(error.kind()) => {
                self.identity = None;
                return Err(taken_meanwhile());
            }
            // The mode may keep out this process, or memory may be short: the file may still be the right one.
            Err(_) => {}
        }
        self.permit(wanted, socket)
            .map(drop)
            .inspect_err(|_| self.remove())
    }

    /// Locks the directory against other starts, until the result is dropped: no other process may bind between the check
    /// for a listening process and the new socket. Any user who can read the directory can hold the lock, so the wait is
    /// bounded, and `None` is no error.
    pub(crate) fn lock(&self) -> Option<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(&self.directory, ".", flags, Mode::empty()).ok()?;
        for _ in 0..TRIES {
            match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Some(directory),
                Err(Errno::WOULDBLOCK | Errno::INTR) => thread::sleep(PAUSE),
                Err(_) => return None,
            }
        }
        None
    }

    /// Expects the socket that is here now from now on.
    pub(crate) fn adopt(&mut self) -> io::Result<()> {
        let (_, found) = self.open()?;
        self.identity = Some(identity(&found));
        Ok(())
    }

    /// Gives the file the wanted mode and owner, if it is the file of this listening socket. Returns the change, if there
    /// was one.
    ///
    /// # Errors
    ///
    /// `AddrNotAvailable` for anything else in the socket's place; or errors of the system.
    pub(crate) fn permit(
        &self,
        wanted: Permissions,
        listener: &Socket,
    ) -> io::Result<Option<Changed>> {
        let (file, before) = self.open()?;
        if self.identity != Some(identity(&before)) {
            return Err(replaced());
        }
        let is_right = |wanted: Option<u32>, is: u32| wanted.is_none_or(|wanted| wanted == is);
        let mode_is_right = is_right(wanted.mode, before.st_mode & 0o7777);
        let owner_is_right =
            is_right(wanted.owner, before.st_uid) && is_right(wanted.group, before.st_gid);
        if mode_is_right && owner_is_right {
            return Ok(None);
        }
        if !is_file_of(&file, listener)? {
            return Err(replaced());
        }
        let changed = Changed { file, before };
        let done = changed.set(wanted);
        match done {
            Ok(()) => Ok(Some(changed)),
            Err(error) => {
                changed.undo();
                Err(error)
            }
        }
    }

    /// Checks that a connection to the file reaches this listening socket, which another process has bound.
    ///
    /// # Errors
    ///
    /// As for [`permit`](Self::permit).
    pub(crate) fn check(&self, listener: &Socket) -> io::Result<()> {
        let (file, found) = self.open()?;
        let is_meant = self.identity == Some(identity(&found)) && is_file_of(&file, listener)?;
        is_meant.then_some(()).ok_or_else(replaced)
    }

    /// Removes a socket on which no process listens.
    ///
    /// # Errors
    ///
    /// `AddrInUse` where a process listens, or where there is no socket but another file.
    pub(crate) fn remove_stale(&self) -> io::Result<()> {
        self.remove_if(|file| {
            let connected = connect(file, Type::STREAM);
            connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        })
    }

    /// Removes any socket that is here.
    ///
    /// # Errors
    ///
    /// `AddrInUse` where there is another file.
    pub(crate) fn remove_any(&self) -> io::Result<()> {
        self.remove_if(|_| true)
    }

    /// Whether the expected socket is still here.
    pub(crate) fn is_in_place(&self) -> bool {
        let found = self.open();
        found.is_ok_and(|(_, found)| self.identity == Some(identity(&found)))
    }

    /// Removes the expected socket, if it is still here.
    pub(crate) fn remove(&self) {
        if let Ok((_, found)) = self.open()
            && self.identity == Some(identity(&found))
        {
            // The process may no longer be allowed to; the next start replaces the file.
            _ = self.unlink();
        }
    }

    fn remove_if(&self, is_to_go: impl FnOnce(&OwnedFd) -> bool) -> io::Result<()> {
        match self.open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Ok((file, _)) if is_to_go(&file) => self.unlink(),
            Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                let what = "the file that is there is no socket";
                Err(io::Error::new(io::ErrorKind::AddrInUse, what))
            }
            Err(error) => Err(error),
        }
    }

    fn unlink(&self) -> io::Result<()> {
        let unlink = || {
            rustix::fs::unlinkat(&self.directory, &self.name, AtFlags::empty()).map_err(Into::into)
        };
        self.as_owner(unlink)
    }

    /// The socket that is here now; `AddrNotAvailable` for another file.
    fn open(&self) -> io::Result<(OwnedFd, Stat)> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.directory, &self.name, flags, Mode::empty())?;
        let found = rustix::fs::fstat(&file)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Socket => Ok((file, found)),
            _ => Err(replaced()),
        }
    }

    /// Works with the privileges of the user who can change the directory anyway.
    fn as_owner<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        // A process that is no longer root has nothing to give up.
        match self.act_as.filter(|_| geteuid().is_root()) {
            None => work(),
            Some(uid) => with_rights_of(Uid::from_raw(uid), work),
        }
    }
}

impl Changed {
    /// Restores mode and owner.
    pub(crate) fn undo(&self) {
        let before = Permissions {
            mode: Some(self.before.st_mode & 0o7777),
            owner: Some(self.before.st_uid),
            group: Some(self.before.st_gid),
        };
        // The privileges that made the change are still there; without them nothing can be done.
        _ = self.set(before);
    }

    fn set(&self, wanted: Permissions) -> io::Result<()> {
        if wanted.owner.is_some() || wanted.group.is_some() {
            let owner = wanted.owner.map(rustix::fs::Uid::from_raw);
            let group = wanted.group.map(rustix::fs::Gid::from_raw);
            rustix::fs::chownat(&self.file, "", owner, group, AtFlags::EMPTY_PATH)?;
        }
        match wanted.mode {
            Some(mode) => std::fs::set_permissions(
                by_descriptor(&self.file),
                std::fs::Permissions::from_mode(mode),
            ),
            None => Ok(()),
        }
    }
}

fn identity(found: &Stat) -> (u64, u64) {
    (found.st_dev, found.st_ino)
}

fn replaced() -> io::Error {
    let what = "its file is not the socket that was bound there";
    io::Error::new(io::ErrorKind::AddrNotAvailable, what)
}

/// Whether the file is gone, or belongs to another socket.
const fn is_other(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::NotFound
    )
}

fn taken_meanwhile() -> io::Error {
    let what = "address in use: another process has bound its own at the same moment";
    io::Error::new(io::ErrorKind::AddrInUse, what)
}

/// For 1 s in all: a worker empties its queue in microseconds, and a start binds in less than a millisecond.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests;
