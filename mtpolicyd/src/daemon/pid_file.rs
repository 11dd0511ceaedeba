//! The file with the number of the process.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The file, which is removed at the end where that is allowed.
#[derive(Debug)]
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file. A file of a process that runs is left alone, and one that is no plain file as well.
    pub(super) fn write(path: &Path) -> io::Result<Self> {
        if let Ok(text) = fs::read_to_string(path) {
            let number: Option<i32> = text.trim().parse().ok();
            let other = number.filter(|number| i64::from(*number) != i64::from(std::process::id()));
            if other.is_some_and(|number| Path::new(&format!("/proc/{number}")).exists())
                && is_ours(other)
            {
                let text = format!(
                    "{}: process {} runs already",
                    path.display(),
                    other.unwrap_or(0)
                );
                return Err(io::Error::other(text));
            }
            fs::remove_file(path)?;
        }
        // A file that appears meanwhile, or a link, is not followed.
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(path)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self(path.to_owned()))
    }
}

/// Whether this number is that of a process of this program: another one may have the number by now.
fn is_ours(number: Option<i32>) -> bool {
    let name = |process: String| fs::read_to_string(format!("/proc/{process}/comm")).ok();
    let Some(number) = number else { return false };
    name(number.to_string())
        .is_some_and(|other| name("self".to_owned()).is_some_and(|own| own == other))
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Its directory is root's as a rule, and the daemon is not any more.
        _ = fs::remove_file(&self.0);
    }
}
