//! The file of a UNIX socket, told from another one at the same path.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

/// Device and inode of the file at a UNIX socket's path: a server that has bound its socket again has another one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SocketFileId {
    /// The file system.
    pub device: u64,
    /// The file's number there.
    pub inode: u64,
}

impl SocketFileId {
    /// The file that is at this path now, links followed.
    ///
    /// # Errors
    ///
    /// Errors of stat(2).
    pub fn at(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_that_is_bound_again_has_another_file() {
        let directory = tempfile::tempdir().unwrap();
        let (path, kept) = (
            directory.path().join("socket"),
            directory.path().join("kept"),
        );
        let _first = UnixListener::bind(&path).unwrap();
        let first = SocketFileId::at(&path).unwrap();
        assert_eq!(SocketFileId::at(&path).unwrap(), first);
        // Its number cannot be given to the next file while it exists.
        fs::rename(&path, &kept).unwrap();
        let _second = UnixListener::bind(&path).unwrap();
        assert_ne!(SocketFileId::at(&path).unwrap(), first);
    }
}
