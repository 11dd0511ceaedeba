//! A check of the place of a UNIX socket, which changes nothing.

use std::{io, os::fd::OwnedFd};

use rustix::{
    fs::{Access, AtFlags, CWD, FsWord, Mode, PROC_SUPER_MAGIC, accessat, fstat, fstatfs},
    process::geteuid,
    thread::{CapabilitySet, capabilities},
};
use socket2::SockAddr;

use super::{Permissions, SocketFile, reached::by_descriptor};

impl SocketFile {
    /// Checks that a socket with these permissions could be bound here, also in the place of another one, and changes nothing.
    ///
    /// # Errors
    ///
    /// As those of binding it.
    pub(crate) fn check_place(&self, wanted: Permissions) -> io::Result<()> {
        SockAddr::unix(&self.path)?;
        if WITHOUT_SOCKETS.contains(&fstatfs(&self.directory)?.f_type) {
            return Err(io::Error::other("no socket can be made in its directory"));
        }
        if let Some(file) = self.found()? {
            self.check_replaceable(&file)?;
        }
        let access = Access::WRITE_OK | Access::EXEC_OK;
        self.as_owner(|| Ok(accessat(&self.directory, ".", access, AtFlags::EACCESS)?))?;
        wanted.check()
    }

    /// Checks that this process could see whether the socket that is here is stale, and remove it then.
    fn check_replaceable(&self, file: &OwnedFd) -> io::Result<()> {
        accessat(CWD, by_descriptor(file), Access::WRITE_OK, AtFlags::EACCESS)
            .map_err(|_| denied("this user may not connect to the socket that is there"))?;
        let (directory, found) = (fstat(&self.directory)?, fstat(file)?);
        let act_as = self.acts_as();
        let user = act_as.unwrap_or_else(|| geteuid().as_raw());
        let is_own = [found.st_uid, directory.st_uid].contains(&user);
        let has_right = || {
            let sets = capabilities(None);
            act_as.is_none()
                && sets.is_ok_and(|sets| sets.effective.contains(CapabilitySet::FOWNER))
        };
        if Mode::from_raw_mode(directory.st_mode).contains(Mode::SVTX) && !is_own && !has_right() {
            return Err(denied(
                "the socket that is there is another user's, and the sticky bit of its directory keeps it",
            ));
        }
        Ok(())
    }
}

fn denied(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, what)
}

/// File systems of the kernel's own: proc, sysfs and devpts.
const WITHOUT_SOCKETS: [FsWord; 3] = [PROC_SUPER_MAGIC, 0x6265_6572, 0x1cd1];
