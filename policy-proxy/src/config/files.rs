//! The files of a configuration: the text of each, and the names in an included directory.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The text of a file. Bytes that are no UTF-8 are said, with the number of the first one.
pub(super) fn read(path: &Path) -> io::Result<Result<String, (String, usize)>> {
    let mut bytes = Vec::new();
    // A pipe would be waited for, and could not be read again.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("no regular file"));
    }
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

/// The files `*.toml` in a directory, in the order of their names, as in other directories of this kind. None of them may
/// be this one, which includes them, or twice the same under two names.
pub(super) fn in_directory(path: &Path, own: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.extension().is_some_and(|end| end == "toml") && !is_hidden {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            let text = format!("more than {MAX_FILES} files");
            return Err(io::Error::other(text));
        }
    }
    files.sort();
    let mut known: Vec<((u64, u64), &Path)> = Vec::new();
    for file in [own].into_iter().chain(files.iter().map(PathBuf::as_path)) {
        // One that cannot be looked at cannot be read either, which is said with its name.
        let Ok(found) = fs::metadata(file) else {
            continue;
        };
        let shown = file.display();
        // A pipe would be waited for.
        if !found.is_file() {
            return Err(io::Error::other(format!("{shown} is no regular file")));
        }
        let identity = (found.dev(), found.ino());
        let mut before = known.iter();
        if let Some((_, other)) = before.find(|(before, _)| *before == identity) {
            let text = format!("{shown} is the same file as {}", other.display());
            return Err(io::Error::other(text));
        }
        known.push((identity, file));
    }
    Ok(files)
}

/// A file of 64 services has less than 16 KiB.
const MAX_BYTES: u64 = 1 << 20;
/// One for each service, and others.
const MAX_FILES: usize = 256;
