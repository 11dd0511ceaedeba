//! The file of a UNIX socket, handled so that a user who can change its directory gains nothing by that.
//!
//! A daemon that root starts may bind in a directory of another user's, such as Postfix's `private/`. That
//! user can put a link or any other file in the socket's place at any moment. So nothing is done to
//! a path: the file is opened without following links, has to be the expected socket, and its mode
//! and owner are set through that descriptor. Binding and removing need a path, and use the privileges of that user.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use nix::unistd::Uid;
use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat},
    process::geteuid,
};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::paths::{Directories, with_rights_of};

mod check;

mod lock;
use lock::lock;

mod permissions;
pub(crate) use permissions::{Changed, Permissions};

mod reached;
use reached::{Answer, answer, is_file_of};

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

impl SocketFile {
    /// The file at this path, whether there is one or not.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let (parent, name) = path.parent().zip(name_of(path)).ok_or_else(|| {
            let what = "the path does not end in the name of a file";
            io::Error::new(io::ErrorKind::InvalidInput, what)
        })?;
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
            name: name.to_owned(),
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

    /// Locks the directory against other starts: no other process may bind between the check for a listening process and the
    /// new socket. `None` is no error.
    pub(crate) fn lock(&self) -> Option<OwnedFd> {
        lock(&self.directory)
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
        Changed::of(file, before, wanted).map(Some)
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
    /// `AddrInUse` where a process listens, or where there is no socket but another file; the system's own where that cannot be
    /// seen, as this process may not connect.
    pub(crate) fn remove_stale(&self) -> io::Result<()> {
        match self.found()? {
            None => Ok(()),
            Some(file) => match answer(&file, Type::STREAM)? {
                Answer::Nobody => self.unlink(),
                Answer::Listens | Answer::OtherType => Err(io::ErrorKind::AddrInUse.into()),
            },
        }
    }

    /// Removes the socket that is here, which a daemon that does not answer may still have.
    ///
    /// # Errors
    ///
    /// `AddrInUse` for the socket of another program, which has a type that no handover has, and for another file; the system's
    /// own as for [`remove_stale`](Self::remove_stale).
    pub(crate) fn remove_unless_others(&self) -> io::Result<()> {
        let Some(file) = self.found()? else {
            return Ok(());
        };
        for kind in [Type::STREAM, Type::DGRAM] {
            if answer(&file, kind)? == Answer::Listens {
                let what = "the socket that is there is another program's";
                return Err(io::Error::new(io::ErrorKind::AddrInUse, what));
            }
        }
        self.unlink()
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

    /// The socket that is here, if there is a file; `AddrInUse` for another file.
    fn found(&self) -> io::Result<Option<OwnedFd>> {
        match self.open() {
            Ok((file, _)) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
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
        let found = fstat(&file)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Socket => Ok((file, found)),
            _ => Err(replaced()),
        }
    }

    /// Works with the privileges of the user who can change the directory anyway.
    fn as_owner<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.acts_as() {
            None => work(),
            Some(uid) => with_rights_of(Uid::from_raw(uid), work),
        }
    }

    fn acts_as(&self) -> Option<u32> {
        // A process that is no longer root has nothing to give up.
        self.act_as.filter(|_| geteuid().is_root())
    }
}

/// The last part of a path; `None` where more than a name follows the last slash, or nothing.
pub(super) fn name_of(path: &Path) -> Option<&OsStr> {
    let name = path.file_name()?;
    let path = path.as_os_str().as_encoded_bytes();
    path.ends_with(name.as_encoded_bytes()).then_some(name)
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

#[cfg(test)]
mod tests;
