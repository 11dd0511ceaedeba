//! The file with the number of the process.

use std::{
    io,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use policy_daemon::{FilePlace, has_ended, has_led_here};

use crate::process_name;

/// The file, which is removed at the end where that is allowed.
#[derive(Debug)]
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file. A file of a process that runs is left alone, and one that is no plain file as well.
    pub(super) fn write(path: &Path) -> io::Result<Self> {
        let place = FilePlace::at(path)?;
        match number(&place) {
            Ok(other) => {
                let other = other.filter(|other| !has_led_here(*other));
                if let Some(other) = other.filter(|other| is_ours(*other)) {
                    let text = format!("{}: process {other} runs already", path.display());
                    return Err(io::Error::other(text));
                }
                place.remove()?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // A file that appears meanwhile, or a link, is not followed.
        let mut file = place.create_new(0o644)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self(path.to_owned()))
    }
}

/// The number in a file, if it is one.
fn number(place: &FilePlace) -> io::Result<Option<u32>> {
    let mut text = Vec::new();
    place.read()?.take(MAX_FILE).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).trim().parse().ok())
}

/// Whether this number is that of a process of this program that runs: another one may have the number by now.
fn is_ours(number: u32) -> bool {
    if has_ended(number) {
        return false;
    }
    let name = process_name::of(&number.to_string());
    name.is_some_and(|name| process_name::is_own(&name))
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Its directory is root's as a rule, and the daemon is not any more. A daemon that was started meanwhile has its own.
        if let Ok(place) = FilePlace::at(&self.0)
            && number(&place).is_ok_and(|number| number == Some(std::process::id()))
        {
            _ = place.remove();
        }
    }
}

/// As much as is read of a file.
const MAX_FILE: u64 = 4096;
