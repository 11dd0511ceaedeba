//! `-s` and `-k`: the cache of the running daemon, or of the file where none runs.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use super::{Exit, paths::Paths, print, runtime};
use crate::cache::{Backing, Cache, open_file};

/// Prints the entries.
pub(super) fn show(paths: &Paths) -> Result<(), Exit> {
    print("*** querying cache for content stats:\n");
    let entries = match ask(paths, "5 stats\n") {
        Some(answer) => {
            if answer.starts_with("stats shared") {
                return Err(shared("its entries are not listed"));
            }
            let lines = answer
                .lines()
                .filter(|line| line.starts_with("blocked: ") || line.starts_with("pass: "));
            lines.map(str::to_owned).collect()
        }
        None => match existing_file(paths) {
            Some(path) => with_file(path, |cache| cache.entries())?,
            None => vec![],
        },
    };
    for entry in entries {
        print(&format!("{entry}\n"));
    }
    Ok(())
}

/// Forgets all clients.
pub(super) fn empty(paths: &Paths) -> Result<(), Exit> {
    if let Some(answer) = ask(paths, "5 kill\n") {
        if answer.starts_with("kill shared") {
            return Err(shared("it stays as it is"));
        }
        return Ok(());
    }
    if let Some(socket) = paths
        .socket
        .as_ref()
        .filter(|socket| fs::symlink_metadata(socket).is_ok())
    {
        let shown = socket.display();
        // Nobody reads it: nothing is to be done.
        _ = writeln!(
            std::io::stderr(),
            "warning: -k action but {shown} still exists, deleting it"
        );
        fs::remove_file(socket).map_err(|error| Exit::died(format!("{shown}: {error}")))?;
    }
    let lock = paths.directory.join("cache_lock");
    if lock.is_dir() {
        _ = writeln!(
            std::io::stderr(),
            "warning: removing stale {}",
            lock.display()
        );
        _ = fs::remove_dir(&lock);
    }
    if let Some(path) = existing_file(paths) {
        with_file(path, |cache| {
            cache.clear();
        })?;
    }
    Ok(())
}

fn shared(consequence: &str) -> Exit {
    Exit::with_status(
        1,
        format!("the cache is in $CACHE_STORE, which other hosts share: {consequence}"),
    )
}

fn existing_file(paths: &Paths) -> Option<std::path::PathBuf> {
    paths.cache_file().filter(|path| path.is_file())
}

/// What the daemon answers; none if there is none.
fn ask(paths: &Paths, line: &str) -> Option<String> {
    let mut stream = UnixStream::connect(paths.socket.as_ref()?).ok()?;
    stream.set_read_timeout(Some(MAX_TIME)).ok()?;
    stream.write_all(line.as_bytes()).ok()?;
    let mut answer = vec![];
    stream.read_to_end(&mut answer).ok()?;
    Some(answer.iter().map(|&byte| char::from(byte)).collect())
}

/// Does something with the cache of a file, and writes it.
fn with_file<T>(path: impl AsRef<Path>, run: impl FnOnce(&Cache) -> T) -> Result<T, Exit> {
    runtime()?.block_on(async {
        let failed = |error: &dyn std::fmt::Display| {
            Exit::died(format!("{}: {error}", path.as_ref().display()))
        };
        let cache = Cache::default();
        let file = open_file(path.as_ref())
            .await
            .map_err(|error| failed(&error))?;
        cache
            .attach(Backing::File(file))
            .await
            .map_err(|error| failed(&error))?;
        let result = run(&cache);
        cache.flush().await.map_err(|error| failed(&error))?;
        Ok(result)
    })
}

const MAX_TIME: Duration = Duration::from_secs(5);
