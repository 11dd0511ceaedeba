//! The file of the log, in the place of standard output: it is opened again when it has been moved away, as by logrotate(8),
//! and at SIGHUP and SIGUSR1.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{MetadataExt, fchown},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use policy_daemon::FilePlace;

use crate::journal::Journal;

/// The file of the log.
#[derive(Debug)]
pub(super) struct LogFile {
    /// As the configuration has it.
    path: PathBuf,
    /// Where it is once the daemon has changed its root; `None` outside of that.
    inside: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The device and the number of the file that lines go to; none of what is no plain file, such as a pipe.
    file: Option<(u64, u64)>,
    /// That it cannot be opened again was said.
    has_failed: bool,
}

impl LogFile {
    /// Opens the file. One that is made belongs to the owner, who has to open it again.
    pub(super) fn open(
        path: &Path,
        root: Option<&Path>,
        owner: Option<(u32, u32)>,
    ) -> io::Result<Self> {
        let place = FilePlace::at(path)?;
        let file = match place.create_new(0o666) {
            Ok(file) => {
                if let Some((user, group)) = owner {
                    fchown(&file, Some(user), Some(group))?;
                }
                file
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => place.append(0o666)?,
            Err(error) => return Err(error),
        };
        let inside = match root {
            None => Some(path.to_owned()),
            Some(root) => path
                .strip_prefix(root)
                .ok()
                .map(|rest| Path::new("/").join(rest)),
        };
        Ok(Self {
            path: path.to_owned(),
            inside,
            state: Mutex::new(State {
                file: take(&file)?,
                has_failed: false,
            }),
        })
    }

    /// Opens it again if another file, or none, is at its path by now.
    pub(super) fn follow(&self, journal: &Journal) {
        let (Some(path), Some(file)) = (&self.inside, self.state().file) else {
            return;
        };
        let is_there = fs::metadata(path).is_ok_and(|found| id(&found) == Some(file));
        if !is_there {
            self.open_again(path, journal);
        }
    }

    /// Opens it again.
    pub(super) fn reopen(&self, journal: &Journal) {
        if let Some(path) = self.inside.as_ref().filter(|_| self.state().file.is_some()) {
            // A failure is said each time.
            self.state().has_failed = false;
            self.open_again(path, journal);
        }
    }

    fn open_again(&self, path: &Path, journal: &Journal) {
        let shown = self.path.display();
        let opened = FilePlace::at(path)
            .and_then(|place| place.append(0o666))
            .and_then(|file| take(&file));
        let mut state = self.state();
        match opened {
            Ok(file) => {
                *state = State {
                    file,
                    has_failed: false,
                };
                journal.line(1, &format!("log_file {shown} is opened again"));
            }
            Err(error) if !state.has_failed => {
                state.has_failed = true;
                journal.warning(&format!(
                    "log_file {shown} cannot be opened again: {error}: lines go to the file of before"
                ));
            }
            Err(_) => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts a file in the place of standard output: that is where lines go.
fn take(file: &File) -> io::Result<Option<(u64, u64)>> {
    let found = file.metadata()?;
    rustix::stdio::dup2_stdout(file)?;
    Ok(id(&found))
}

fn id(found: &Metadata) -> Option<(u64, u64)> {
    found.is_file().then(|| (found.dev(), found.ino()))
}
