//! The place of a file that root opens or makes, such as a log, handled so that a user who can change its directory gains
//! nothing by that.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Write as _},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
    path::{Component, Path},
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, renameat, statat, unlinkat},
    io::Errno,
    process::geteuid,
};

use super::directories::Directories;

mod kept;

/// The place of a file. As far as root alone decides where its path leads, links are followed. From the first directory on that
/// another user can change none is, since it could lead to a file of root's.
///
/// ```
/// use policy_daemon::FilePlace;
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().canonicalize()?.join("log");
/// let mut file = FilePlace::at(&path)?.append(0o644)?;
/// std::io::Write::write_all(&mut file, b"a line\n")?;
/// assert_eq!(std::fs::read_to_string(&path)?, "a line\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FilePlace {
    directory: File,
    name: OsString,
    follows: bool,
}

impl FilePlace {
    /// The place of the file at this absolute path, whether there is one or not. Who is not root opens files with no rights that
    /// are not its own, and follows links.
    ///
    /// # Errors
    ///
    /// A directory on the way that cannot be opened, or is a link that is not followed.
    pub fn at(path: &Path) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let name = path.file_name().ok_or_else(invalid)?.to_owned();
        let parent = path.parent().ok_or_else(invalid)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |path: &Path| rustix::fs::open(path, flags, Mode::empty());
        if !geteuid().is_root() {
            return Ok(Self {
                directory: open(parent)?.into(),
                name,
                follows: true,
            });
        }
        let (base, rest) = Directories::to(path)?.into_roots_part();
        let mut directory = open(&base)?;
        let Some(rest) = rest else {
            return Ok(Self {
                directory: directory.into(),
                name,
                follows: true,
            });
        };
        let mut names = Vec::new();
        for part in rest.components() {
            match part {
                Component::Normal(part) => names.push(part),
                // As no name is that of a link, this is the directory before.
                Component::ParentDir if names.pop().is_some() => {}
                _ => return Err(invalid()),
            }
        }
        for name in names {
            refuse_link(&directory, name)?;
            let flags = flags | OFlags::NOFOLLOW;
            directory = openat(&directory, name, flags, Mode::empty())?;
        }
        Ok(Self {
            directory: directory.into(),
            name,
            follows: false,
        })
    }

    /// Looks whether a link is in the place of the file that opening it would not follow, and opens nothing.
    ///
    /// # Errors
    ///
    /// There is such a link.
    pub fn refuse_link(&self) -> io::Result<()> {
        if self.follows {
            return Ok(());
        }
        refuse_link(&self.directory, &self.name)
    }

    /// Opens the file for lines at its end, or makes it with this mode. It never waits: a pipe has to have a reader.
    ///
    /// # Errors
    ///
    /// As those of the system; a link that is not followed, and a file with a second name that somebody may have given to a file of
    /// root's; what lines cannot be written to, such as a disk.
    pub fn append(&self, mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOCTTY;
        let file = self.open(flags | OFlags::NONBLOCK, mode)?;
        let found = file.metadata()?;
        let kind = found.file_type();
        if kind.is_file() {
            if !self.follows && found.nlink() > 1 {
                let text = "it has a second name, in a directory that is not root's alone";
                return Err(io::Error::other(text));
            }
        } else if !(kind.is_fifo() || kind.is_char_device()) {
            return Err(io::Error::other("no regular file"));
        }
        let flags = rustix::fs::fcntl_getfl(&file)?;
        rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
        Ok(file)
    }

    /// Makes the file, with this mode.
    ///
    /// # Errors
    ///
    /// As those of the system: one is there already.
    pub fn create_new(&self, mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        self.open(flags, mode)
    }

    /// Gives the file this content, with this mode, in one step: where it fails, what was there before stays. It is written beside
    /// it, as `NAME.PID.new`, so that processes that do so at once do not meet.
    ///
    /// # Errors
    ///
    /// As those of the system; a link, or anything else that is no regular file, in its place; a file whose place no other can
    /// take: that of another user in a directory with the sticky bit, one with such a flag, and a mount point.
    pub fn replace(&self, mode: u32, content: &[u8]) -> io::Result<()> {
        let new = self.write_beside(mode, content)?;
        let put = renameat(&self.directory, &new, &self.directory, &self.name);
        if put.is_err() {
            _ = unlinkat(&self.directory, &new, AtFlags::empty());
        }
        Ok(put?)
    }

    /// Looks whether [`replace`](Self::replace) could write as much, and leaves what is there as it is.
    ///
    /// # Errors
    ///
    /// As those of [`replace`](Self::replace).
    pub fn check_replace(&self, mode: u32, content: &[u8]) -> io::Result<()> {
        let new = self.write_beside(mode, content)?;
        Ok(unlinkat(&self.directory, &new, AtFlags::empty())?)
    }

    /// Writes a new file, which is to take the place of the file: its name.
    fn write_beside(&self, mode: u32, content: &[u8]) -> io::Result<OsString> {
        match statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile => {}
            Ok(_) => return Err(io::Error::other("no regular file")),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        // That a new file can be made beside it shows nothing of that.
        kept::check(&self.directory, &self.name)?;
        let mut new = self.name.clone();
        new.push(format!(".{}.new", std::process::id()));
        let unlink = || unlinkat(&self.directory, &new, AtFlags::empty());
        // One that a process of this number has left behind.
        match unlink() {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&self.directory, &new, flags, Mode::from_raw_mode(mode))?;
        let written = File::from(file).write_all(content);
        if written.is_err() {
            _ = unlink();
        }
        written.map(|()| new)
    }

    /// Opens the file for reading.
    ///
    /// # Errors
    ///
    /// As those of the system; a file that is no regular one.
    pub fn read(&self) -> io::Result<File> {
        let file = self.open(OFlags::RDONLY | OFlags::NONBLOCK, 0)?;
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(io::Error::other("no regular file"))
        }
    }

    /// Opens the directory that has the place of the file, or makes it with this mode.
    ///
    /// # Errors
    ///
    /// As those of the system; a link that is not followed, and what is no directory.
    pub fn directory(&self, mode: u32) -> io::Result<File> {
        match mkdirat(&self.directory, &self.name, Mode::from_raw_mode(mode)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.open(OFlags::RDONLY | OFlags::DIRECTORY, 0)
    }

    /// Removes the file.
    ///
    /// # Errors
    ///
    /// As those of the system.
    pub fn remove(&self) -> io::Result<()> {
        Ok(unlinkat(&self.directory, &self.name, AtFlags::empty())?)
    }

    fn open(&self, flags: OFlags, mode: u32) -> io::Result<File> {
        self.refuse_link()?;
        let mut flags = flags | OFlags::CLOEXEC;
        // One that comes in between.
        flags.set(OFlags::NOFOLLOW, !self.follows);
        let mode = Mode::from_raw_mode(mode);
        Ok(openat(&self.directory, &self.name, flags, mode)?.into())
    }
}

/// The system does not say that it does not follow a link: it says that there are too many, or that it is no directory.
fn refuse_link(directory: impl AsFd, name: &OsStr) -> io::Result<()> {
    let found = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    if found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_symlink()) {
        let text = format!(
            "{} is a link in a directory that is not root's alone, and is not followed",
            name.display()
        );
        return Err(io::Error::other(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
