//! A check of the files that the daemon opens when it first needs them, by its user and below its root: a start says nothing of
//! them, and a request would fail.
//!
//! Only `--check-config` looks. Paths are noted while the file is read; they are looked at once the check has the rights of the
//! daemon.

use std::{
    fs, io,
    io::Read as _,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
};

use policy_store::open_file;
use rustix::fs::{Access, access};

use crate::config_general::Place;

/// What the daemon does with a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Use {
    /// It opens a database, or makes one.
    Database,
    /// It reads the file.
    Read,
    /// It has read the file at the start, and reads it again when the file changes.
    ReadAgain,
    /// It runs the program.
    Run,
    /// It connects to the socket of another program, which may start later.
    Connect,
}

/// A parameter that names a file.
#[derive(Clone, Debug)]
pub(super) struct LaterFile {
    pub(super) place: Place,
    pub(super) key: String,
    pub(super) path: PathBuf,
    pub(super) used: Use,
}

impl LaterFile {
    /// What a request would fail at, and whether that is certain. Who has not got the daemon's rights may lack some.
    pub(super) fn fault(&self, has_rights: bool) -> Option<(bool, String)> {
        let error = look(&self.path, self.used).err()?;
        let text = format!("`{}`: {}: {error}", self.key, self.path.display());
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        let is_made_at_start = ["/run", "/var/run"]
            .iter()
            .any(|run| self.path.starts_with(run));
        let is_denied = error.kind() == io::ErrorKind::PermissionDenied;
        let is_uncertain = matches!(self.used, Use::Connect | Use::ReadAgain)
            || (is_missing && is_made_at_start)
            || (is_denied && !has_rights);
        Some((!is_uncertain, text))
    }
}

fn look(path: &Path, used: Use) -> io::Result<()> {
    match used {
        Use::Database => database(path),
        Use::Read | Use::ReadAgain => open_file(path).map(drop),
        Use::Run => {
            is_kind(path, fs::FileType::is_file, "no regular file")?;
            Ok(access(path, Access::EXEC_OK)?)
        }
        Use::Connect => {
            is_kind(path, fs::FileType::is_socket, "no socket")?;
            Ok(access(path, Access::WRITE_OK)?)
        }
    }
}

/// SQLite makes files beside the database, so the directory is written as well.
fn database(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let in_directory = |error: io::Error| {
        let text = format!("the directory {}: {error}", parent.display());
        io::Error::new(error.kind(), text)
    };
    let found = fs::metadata(parent).map_err(in_directory)?;
    if !found.is_dir() {
        return Err(in_directory(io::ErrorKind::NotADirectory.into()));
    }
    let writable = Access::WRITE_OK | Access::EXEC_OK;
    access(parent, writable).map_err(|error| in_directory(error.into()))?;
    let file = match open_file(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    access(path, Access::WRITE_OK)?;
    let mut head = Vec::new();
    file.take(HEAD.len() as u64).read_to_end(&mut head)?;
    if head.is_empty() || head == HEAD {
        Ok(())
    } else {
        Err(io::Error::other("no database of SQLite 3"))
    }
}

fn is_kind(path: &Path, is: fn(&fs::FileType) -> bool, wrong: &str) -> io::Result<()> {
    let found = fs::metadata(path)?.file_type();
    if is(&found) {
        Ok(())
    } else {
        Err(io::Error::other(wrong))
    }
}

/// The first bytes of each database.
const HEAD: &[u8] = b"SQLite format 3\0";
