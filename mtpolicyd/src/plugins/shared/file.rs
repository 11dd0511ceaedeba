//! A file that a plugin has read, and that is read again when it changes.

use std::{
    fmt,
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, time::Instant};

use crate::journal::Journal;

/// What a file holds. At most once a second a request has the file looked at, apart from itself; if it is another one, or
/// was written, it is read, and what it holds takes the place of the one before. One that cannot be read leaves that there.
pub(in crate::plugins) struct WatchedFile<T>(Arc<Inner<T>>);

/// Reads a file: what it holds, and what in it is left out and why.
type Reader<T> = fn(&Path) -> Result<(T, Vec<String>), String>;

struct Inner<T> {
    path: PathBuf,
    read: Reader<T>,
    state: Mutex<State<T>>,
}

struct State<T> {
    content: Arc<T>,
    version: Option<Version>,
    looked: Instant,
    is_looking: bool,
}

/// What changes when a file is written or replaced: its device, inode, size and times.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Version([i128; 5]);

impl From<Metadata> for Version {
    fn from(file: Metadata) -> Self {
        let nanos =
            |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Self([
            file.dev().into(),
            file.ino().into(),
            file.size().into(),
            nanos(file.mtime(), file.mtime_nsec()),
            nanos(file.ctime(), file.ctime_nsec()),
        ])
    }
}

impl<T: Send + Sync + 'static> WatchedFile<T> {
    /// Reads a file, and says what in it is left out. That blocks: it is for the start.
    pub(in crate::plugins) fn open(
        path: &Path,
        read: Reader<T>,
    ) -> Result<(Self, Vec<String>), String> {
        // If the file is written meanwhile, its version is an old one, and it is read once more.
        let version = version(path).map_err(|error| error.to_string())?;
        let (content, left_out) = read(path)?;
        let state = State {
            content: Arc::new(content),
            version: Some(version),
            looked: Instant::now(),
            is_looking: false,
        };
        let inner = Inner {
            path: path.to_owned(),
            read,
            state: Mutex::new(state),
        };
        Ok((Self(Arc::new(inner)), left_out))
    }

    /// What the file holds. It never waits for the file.
    pub(in crate::plugins) fn get(&self, journal: &Journal) -> Arc<T> {
        let mut state = self.0.lock();
        if !state.is_looking && state.looked.elapsed() >= INTERVAL {
            // Nobody can look without a runtime.
            if let Ok(runtime) = Handle::try_current() {
                state.is_looking = true;
                let (inner, journal) = (Arc::clone(&self.0), journal.clone());
                runtime.spawn_blocking(move || inner.look(&journal));
            }
        }
        Arc::clone(&state.content)
    }
}

impl<T> Inner<T> {
    fn look(&self, journal: &Journal) {
        let before = self.lock().version;
        let path = self.path.display();
        let read = || {
            let version = version(&self.path).map_err(|error| error.to_string())?;
            let is_new = before != Some(version);
            let content = is_new.then(|| (self.read)(&self.path)).transpose()?;
            Ok::<_, String>(content.map(|content| (version, content)))
        };
        let result = read();
        let mut state = self.lock();
        match result {
            Ok(Some((version, (content, left_out)))) => {
                (state.content, state.version) = (Arc::new(content), Some(version));
                journal.line(2, &format!("{path} has changed and is read again"));
                for text in left_out {
                    journal.warning(&text);
                }
            }
            Ok(None) => {}
            Err(error) => {
                // Said once for each time that it breaks.
                if state.version.take().is_some() {
                    journal.warning(&format!("{path}: {error}: what it held before stays"));
                }
            }
        }
        (state.is_looking, state.looked) = (false, Instant::now());
    }

    /// No call leaves the state half changed, so a panic elsewhere does not matter.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn version(path: &Path) -> io::Result<Version> {
    std::fs::metadata(path).map(Version::from)
}

impl<T> fmt::Debug for WatchedFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WatchedFile").field(&self.0.path).finish()
    }
}

/// How often a file is looked at, at most.
const INTERVAL: Duration = Duration::from_secs(1);
