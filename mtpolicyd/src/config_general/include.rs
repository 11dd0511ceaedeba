//! Included files: their names, where they are looked for, and that each is read once.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
};

use policy_store::read_file;

use super::text::{is_blank, trim, trim_end};

/// The files that have been read.
pub(super) struct Included {
    directory: Option<PathBuf>,
    names: HashSet<PathBuf>,
}

impl Included {
    pub(super) fn new(directory: Option<&Path>) -> Self {
        Self {
            directory: directory.map(Path::to_owned),
            names: HashSet::new(),
        }
    }

    pub(super) fn main(&mut self, path: &Path) -> Result<Vec<u8>, String> {
        self.names.insert(path.to_owned());
        read(path)
    }

    /// The file of this name, relative to the working directory or to that of the main file; `None` if it has been read.
    pub(super) fn open(&mut self, name: &str) -> Result<Option<(String, Vec<u8>)>, String> {
        let mut path = PathBuf::from(name);
        if !path.exists() {
            let beside = self
                .directory
                .as_ref()
                .map(|directory| directory.join(name));
            path = beside
                .filter(|path| path.exists())
                .ok_or_else(|| format!("Config::General The file \"{name}\" does not exist!"))?;
        }
        if self.names.len() >= MAX_FILES {
            return Err(format!("Config::General: more than {MAX_FILES} files"));
        }
        if !self.names.insert(path.clone()) {
            return Ok(None);
        }
        let bytes = read(&path)?;
        Ok(Some((path.to_string_lossy().into_owned(), bytes)))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    if path.is_dir() {
        return Err(
            "Config::General: config file argument is a directory, expecting a file!\n".to_owned(),
        );
    }
    let refuse = |error: io::Error| {
        format!(
            "Config::General: Could not open {}!({error})\n",
            path.display()
        )
    };
    read_file(path, MAX_SIZE).map_err(refuse)
}

/// The name in `<<include NAME>>`. Quotes and blanks at its end belong to it.
pub(super) fn name(line: &str) -> Option<&str> {
    let inner = trim(line).strip_prefix("<<")?;
    let (word, rest) = inner.split_at_checked("include".len())?;
    if !word.eq_ignore_ascii_case("include") || !rest.starts_with(is_blank) {
        return None;
    }
    let name = rest.trim_start_matches(is_blank).strip_suffix(">>")?;
    (!trim_end(name).is_empty()).then_some(name)
}

/// Far more than any site has.
const MAX_FILES: usize = 1000;
const MAX_SIZE: u64 = 16 << 20;
