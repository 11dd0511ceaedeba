//! Passwords, in files that nobody else is to read.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use policy_store::Secret;

use super::Section;

impl Section<'_> {
    /// A password; `None` if it is not given. A file with one that every user of the machine can read is a warning.
    pub fn secret(&mut self, key: &str) -> Option<Secret> {
        let text = self.text(key)?;
        let file = self.place_of(key).file;
        if !text.is_empty() && can_be_read_by_all(Path::new(&*file)) {
            let text = format!(
                "every user of this machine can read `{key}`: take the rights of others from the file"
            );
            self.warning(key, text);
        }
        Some(Secret::from(text))
    }
}

/// Whether every user can read the file and enter the directories on the way to it. One that cannot be looked at cannot.
fn can_be_read_by_all(file: &Path) -> bool {
    let has = |path: &Path, bit| {
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & bit != 0)
    };
    let Ok(path) = file.canonicalize() else {
        return false;
    };
    let mut directories = path.ancestors().skip(1);
    has(&path, 0o004) && directories.all(|directory| has(directory, 0o001))
}
