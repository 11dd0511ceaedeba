//! A table that is read again when its file changes.

use std::{
    fs::{File, Metadata},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};

use super::{Map, MapError, MapKind, read_open};
use crate::file::open_file;

/// How often a file is looked at, at most.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a file that is locked is waited for at the start. `postmap` writes a million keys in some seconds.
const MAX_LOCK_WAIT: Duration = Duration::from_secs(10);

/// How often a lock is tried.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A table in a file. At most once a second a look-up has the file looked at, apart from the caller; if it is another
/// one, or was written, it is read, and takes the place of the one before. One that cannot be read leaves it there.
///
/// A `hash:` file is written in place by `postmap`, which has it locked meanwhile: it is read under the lock that
/// Postfix's own readers take, and not before it is whole. Source: `INTERNAL_LOCK` in Postfix's sys_defs.h, mkmap_open.c.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use policy_store::{MapFile, MapKind};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("access");
/// std::fs::write(&path, "192.0.2.1 OK\n")?;
/// let map = MapFile::open(MapKind::Texthash, &path).await?;
/// assert_eq!(map.get(b"192.0.2.1").as_deref(), Some(&b"OK"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MapFile {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: MapKind,
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    map: Arc<Map>,
    seen: Option<Version>,
    looked: Instant,
    is_looking: bool,
    error: Option<MapError>,
}

/// The marks of a file that change when it is written or replaced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Version {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<Metadata> for Version {
    fn from(file: Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

impl MapFile {
    /// Reads the table of a path in Postfix's terms: without `.db` or `.cdb`, which are added where they are missing.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is no such table, or is locked by another program for more than ten seconds.
    pub async fn open(kind: MapKind, path: impl AsRef<Path>) -> Result<Self, MapError> {
        let path = kind.file(path.as_ref());
        let (version, map) = read_at_start(kind, path.clone()).await?;
        let state = State {
            map: Arc::new(map),
            seen: Some(version),
            looked: Instant::now(),
            is_looking: false,
            error: None,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                kind,
                path,
                state: Mutex::new(state),
            }),
        })
    }

    /// The value of a key in the table. It never waits for the file.
    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.map().get(key).map(|value| value.into_owned())
    }

    /// The table as it is now.
    pub fn map(&self) -> Arc<Map> {
        let mut state = self.inner.lock();
        if !state.is_looking && state.looked.elapsed() >= INTERVAL {
            // Nobody can look without a runtime.
            let Ok(runtime) = Handle::try_current() else {
                return state.map.clone();
            };
            state.is_looking = true;
            let looking = Looking(self.inner.clone());
            runtime.spawn(async move {
                let Inner { kind, path, .. } = &*looking.0;
                let seen = looking.0.lock().seen;
                let result = read_if_new(*kind, path.clone(), seen).await;
                looking.0.take(result);
            });
        }
        state.map.clone()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Why the file could not be read when it was looked at last; the table is the one before.
    pub fn error(&self) -> Option<MapError> {
        self.inner.lock().error.clone()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, result: Result<Option<(Version, Map)>, MapError>) {
        let mut state = self.lock();
        match result {
            Ok(Some((version, map))) => {
                state.map = Arc::new(map);
                state.seen = Some(version);
                state.error = None;
            }
            // The same file again; what was wrong with it still is.
            Ok(None) => {}
            Err(error) => {
                state.seen = None;
                state.error = Some(error);
            }
        }
    }
}

/// Somebody looks at the file; also if the runtime ends meanwhile, somebody else may afterwards.
struct Looking(Arc<Inner>);

impl Drop for Looking {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_looking = false;
        state.looked = Instant::now();
    }
}

async fn read_if_new(
    kind: MapKind,
    path: PathBuf,
    seen: Option<Version>,
) -> Result<Option<(Version, Map)>, MapError> {
    let for_look = path.clone();
    let look = move || std::fs::metadata(&for_look).map(Version::from);
    let version = tokio::task::spawn_blocking(look).await.map_err(ended)??;
    if seen == Some(version) {
        return Ok(None);
    }
    // While it is locked, the table before stays, and the file is looked at again.
    read(kind, path).await
}

async fn read_at_start(kind: MapKind, path: PathBuf) -> Result<(Version, Map), MapError> {
    let end = Instant::now() + MAX_LOCK_WAIT;
    loop {
        if let Some(read) = read(kind, path.clone()).await? {
            return Ok(read);
        }
        if Instant::now() >= end {
            return Err(MapError::Locked);
        }
        sleep(LOCK_PAUSE).await;
    }
}

/// `None` while somebody has it locked. If the file is written meanwhile by a program that does not lock it, its version is
/// an old one, and it is read once more.
async fn read(kind: MapKind, path: PathBuf) -> Result<Option<(Version, Map)>, MapError> {
    let read = move || {
        let file = open_file(&path)?;
        if !try_lock(&file)? {
            return Ok(None);
        }
        let version = Version::from(file.metadata()?);
        let bytes = read_open(&file)?;
        // Closing it ends the lock: the table is built without.
        drop(file);
        Ok(Some((version, Map::parse(kind, &bytes)?)))
    };
    tokio::task::spawn_blocking(read).await.map_err(ended)?
}

/// Whether the file could be locked. Who writes waits until it has been read.
fn try_lock(file: &File) -> Result<bool, MapError> {
    match flock(file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        // A file system without locks.
        Err(Errno::NOLCK | Errno::NOTSUP | Errno::INVAL | Errno::NOSYS) => Ok(true),
        Err(error) => Err(std::io::Error::from(error).into()),
    }
}

fn ended(error: tokio::task::JoinError) -> MapError {
    std::io::Error::other(error).into()
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use tempfile::TempDir;
    use tokio::time::{advance, timeout};

    use super::*;

    /// A file that another program writes, and has locked.
    fn locked(text: &str) -> (TempDir, PathBuf, File) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access");
        fs::write(&path, text).unwrap();
        let writer = File::options().append(true).open(&path).unwrap();
        flock(&writer, FlockOperation::LockExclusive).unwrap();
        (directory, path, writer)
    }

    /// Has the file looked at once more.
    async fn look(map: &MapFile) {
        advance(INTERVAL).await;
        map.map();
        while map.inner.lock().is_looking {
            sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_being_written_is_waited_for() {
        let (_directory, path, mut writer) = locked("a 1\n");
        let open = || MapFile::open(MapKind::Texthash, &path);
        assert!(timeout(Duration::from_secs(5), open()).await.is_err());
        assert!(
            matches!(open().await, Err(MapError::Locked)),
            "not for ever"
        );
        writer.write_all(b"b 2\n").unwrap();
        drop(writer);
        let map = open().await.unwrap();
        assert_eq!(map.get(b"b").as_deref(), Some(&b"2"[..]));
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_file_is_being_written_the_table_before_stays() {
        let (_directory, path, writer) = locked("a 1\nb 2\n");
        drop(writer);
        let map = MapFile::open(MapKind::Texthash, &path).await.unwrap();
        let mut writer = File::options().write(true).open(&path).unwrap();
        flock(&writer, FlockOperation::LockExclusive).unwrap();
        writer.set_len(0).unwrap();
        writer.write_all(b"a 3\n").unwrap();
        look(&map).await;
        assert_eq!(map.get(b"b").as_deref(), Some(&b"2"[..]));
        assert!(map.error().is_none());
        writer.write_all(b"b 4\n").unwrap();
        drop(writer);
        look(&map).await;
        assert_eq!(map.get(b"a").as_deref(), Some(&b"3"[..]));
        assert_eq!(map.get(b"b").as_deref(), Some(&b"4"[..]));
    }
}
