//! Files that a configuration names: regular ones, with a bound.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::fs::OFlags;

/// Reads a regular file of at most so many bytes. A pipe is refused and not waited for, and so is a device, which may have
/// no end.
///
/// ```
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("list");
/// std::fs::write(&path, "one\n")?;
/// assert_eq!(policy_store::read_file(&path, 4)?, b"one\n");
/// let error = policy_store::read_file(&path, 3).unwrap_err();
/// assert_eq!(error.to_string(), "larger than 3 bytes");
/// let error = policy_store::read_file("/dev/zero", 3).unwrap_err();
/// assert_eq!(error.to_string(), "no regular file");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// A file that cannot be read, is none, or is larger.
pub fn read_file(path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
    read_open_file(&open_file(path)?, limit)
}

/// Opens a regular file, as [`read_file`] does.
///
/// # Errors
///
/// A file that cannot be opened, or is none.
pub fn open_file(path: impl AsRef<Path>) -> io::Result<File> {
    // A pipe that nobody writes to is opened at once, and refused then.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("no regular file"));
    }
    Ok(file)
}

/// Reads what a file has, if it is not too large.
///
/// # Errors
///
/// A file that cannot be read, or is larger.
pub fn read_open_file(mut file: &File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to say so.
    file.by_ref()
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let text = format!("larger than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}
