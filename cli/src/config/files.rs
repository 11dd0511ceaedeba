//! The files of a configuration: the text of each, and the names in an included directory.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The text of a file. Bytes that are no UTF-8 are said, with the number of the first one.
pub(super) fn read(path: &Path) -> io::Result<Result<String, (String, usize)>> {
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to say so.
    File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        let text = format!("larger than {} MiB", MAX_BYTES >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        (
            String::from_utf8_lossy(error.as_bytes()).into_owned(),
            valid,
        )
    }))
}

/// The files `*.toml` in a directory, in the order of their names, as in other directories of this kind.
pub(super) fn in_directory(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.extension().is_some_and(|end| end == "toml") && !is_hidden {
            // A pipe would be waited for.
            if fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
                let text = format!("{} is no regular file", path.display());
                return Err(io::Error::other(text));
            }
            files.push(path);
        }
        if files.len() > MAX_FILES {
            let text = format!("more than {MAX_FILES} files");
            return Err(io::Error::other(text));
        }
    }
    files.sort();
    Ok(files)
}

/// A file of 64 services has less than 16 KiB.
const MAX_BYTES: u64 = 1 << 20;
/// One for each service, and others.
const MAX_FILES: usize = 256;
