//! `-s` and `-k`: the cache of the running daemon, or of the file where none runs, which processes of spawn(8) have as well.

use std::{
    fmt::Display,
    fs,
    io::{self, ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use policy_store::SqliteStore;

use super::{
    Exit, control,
    paths::Paths,
    pid_file::{self, Named},
    print, runtime, say,
};
use crate::{
    cache::{Backing, Cache, OpenError, file_of, open_file, open_file_to_read, shown_store},
    text::characters,
};

/// Prints the entries, after the cache that they are of.
pub(super) fn show(paths: &Paths, store: &str) -> Result<(), Exit> {
    print("*** querying cache for content stats:\n");
    match ask(paths, "5 stats\n")? {
        Some((socket, answer)) if !answer.starts_with("stats shared") => {
            let first = answer.lines().next().unwrap_or_default();
            let away = first.strip_prefix("stats ").filter(|away| !away.is_empty());
            let away = away.map(|away| format!(", {away}")).unwrap_or_default();
            print(&format!(
                "*** of the daemon at {}{away}\n",
                socket.display()
            ));
            let is_entry =
                |line: &&str| line.starts_with("blocked: ") || line.starts_with("pass: ");
            for entry in answer.lines().filter(is_entry) {
                print(&format!("{entry}\n"));
            }
        }
        daemon => {
            let file = file(paths, store, "its entries are not listed")?;
            let exists = exists(&file)?;
            let of_file = of_file(paths, &file, exists, daemon.is_some());
            print(&format!("*** {of_file}\n"));
            if exists {
                for entry in entries(&file)? {
                    print(&format!("{entry}\n"));
                }
            }
        }
    }
    Ok(())
}

/// Forgets all clients, and says of which cache.
pub(super) fn empty(paths: &Paths, store: &str) -> Result<(), Exit> {
    let daemon = ask(paths, "5 kill\n")?;
    if let Some((socket, answer)) = &daemon
        && !answer.starts_with("kill shared")
    {
        let shown = socket.display();
        let count = answer.strip_prefix("kill ").map(str::trim);
        if let Some(count) = count.filter(|count| count.parse::<u64>().is_ok()) {
            print(&format!("*** {count} forgotten of the daemon at {shown}\n"));
            return Ok(());
        }
        let why = answer.strip_prefix("kill failed: ").unwrap_or(answer);
        let text =
            format!("the daemon at {shown} could not empty its cache, which stays as it is: {why}");
        return Err(Exit::with_status(1, text.trim_end()));
    }
    if daemon.is_none() {
        remove_stale(paths)?;
    }
    let file = file(paths, store, "it stays as it is")?;
    let exists = exists(&file)?;
    let count = if exists { empty_file(&file)? } else { 0 };
    let of_file = of_file(paths, &file, exists, daemon.is_some());
    print(&format!("*** {count} forgotten {of_file}\n"));
    Ok(())
}

/// What a daemon of before has left.
fn remove_stale(paths: &Paths) -> Result<(), Exit> {
    if let Some(socket) = &paths.socket {
        let shown = socket.display();
        let failed = |error| Exit::with_status(1, format!("{shown}: {error}"));
        if control::is_there(socket).map_err(failed)? {
            say(&format!(
                "warning: -k action but {shown} still exists, deleting it"
            ));
            fs::remove_file(socket).map_err(failed)?;
        }
    }
    let lock = paths.directory.join("cache_lock");
    if lock.is_dir() {
        say(&format!("warning: removing stale {}", lock.display()));
        _ = fs::remove_dir(&lock);
    }
    Ok(())
}

/// The file that the cache is in.
fn file(paths: &Paths, store: &str, consequence: &str) -> Result<PathBuf, Exit> {
    if store.is_empty() {
        return paths.cache_file().ok_or_else(|| {
            let text = "there is no socket and no file of the cache: $SPATH is empty, and each process has its own in memory";
            Exit::with_status(1, text)
        });
    }
    file_of(store).ok_or_else(|| {
        let shown = shown_store(store);
        let text = format!(
            "the cache is in $CACHE_STORE, which other hosts share: {consequence}: {shown}"
        );
        Exit::with_status(1, text)
    })
}

/// Which cache it is.
fn of_file(paths: &Paths, file: &Path, exists: bool, asks_daemon: bool) -> String {
    let missing = if exists { "" } else { ", which is not there" };
    let shown = format!("{}{missing}", file.display());
    match paths.socket.as_ref().filter(|_| !asks_daemon) {
        Some(socket) => {
            let socket = socket.display();
            format!("of the file {shown}: no daemon listens at {socket}")
        }
        None => format!("of the file {shown}"),
    }
}

fn exists(file: &Path) -> Result<bool, Exit> {
    match fs::symlink_metadata(file) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unusable(file, &error)),
    }
}

/// The socket and what the daemon answers there; none if there is no daemon.
fn ask<'a>(paths: &'a Paths, line: &str) -> Result<Option<(&'a Path, String)>, Exit> {
    let Some(socket) = &paths.socket else {
        return Ok(None);
    };
    let failed = |error: io::Error| {
        let (shown, error) = (socket.display(), in_time(error));
        Exit::with_status(1, format!("cannot ask the daemon at {shown}: {error}"))
    };
    let mut stream = match control::connect(socket, MAX_TIME) {
        Ok(stream) => stream,
        Err(error)
            if [ErrorKind::NotFound, ErrorKind::ConnectionRefused].contains(&error.kind()) =>
        {
            return no_daemon(paths, socket).map(|()| None);
        }
        Err(error) => return Err(failed(error)),
    };
    stream.write_all(line.as_bytes()).map_err(failed)?;
    let answer = read(&mut stream).map_err(failed)?;
    if answer.is_empty() {
        return Err(failed(io::Error::other("it has not answered")));
    }
    let answer = characters(&answer);
    Ok(Some((socket, answer)))
}

/// Makes sure that no daemon runs where none listens: its socket may have been removed.
fn no_daemon(paths: &Paths, socket: &Path) -> Result<(), Exit> {
    let named = pid_file::look(&paths.pid_file).ok().and_then(Named::pid);
    named.map_or(Ok(()), |pid| {
        let (pid, shown) = (pid.as_raw_nonzero(), socket.display());
        let text = format!(
            "process {pid} runs, and does not listen at {shown}: its cache is not reached; restart it"
        );
        Err(Exit::with_status(1, text))
    })
}

/// The end of a time, which the system reports as a resource that is unavailable, in words.
fn in_time(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            let seconds = MAX_TIME.as_secs();
            io::Error::other(format!("it has not answered within {seconds} s"))
        }
        _ => error,
    }
}

/// Reads an answer to its end, within a time and a size: who listens there may be anybody whom `$USER` has started.
fn read(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let end = Instant::now() + MAX_TIME;
    let mut answer = vec![];
    let mut buffer = vec![0; 1 << 16];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let length = match stream.read(&mut buffer) {
            // Such as by a terminal that has stopped this process for a while.
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        answer.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if length == 0 {
            return Ok(answer);
        }
        if answer.len() > MAX_ANSWER {
            return Err(ErrorKind::FileTooLarge.into());
        }
    }
}

/// The entries of a file.
fn entries(path: &Path) -> Result<Vec<String>, Exit> {
    runtime()?.block_on(async {
        let cache = attached(path, open_file_to_read(path).await).await?;
        cache.close().await;
        Ok(cache.entries())
    })
}

/// Forgets all clients of a file: how many.
fn empty_file(path: &Path) -> Result<usize, Exit> {
    runtime()?.block_on(async {
        let cache = attached(path, open_file(path).await).await?;
        let emptied = cache.empty().await;
        if emptied.is_err() {
            // What was emptied too late is there again.
            _ = cache.flush().await;
        }
        cache.close().await;
        Ok(emptied
            .map_err(|error| unusable(path, &error))?
            .unwrap_or_default())
    })
}

async fn attached(path: &Path, opened: Result<SqliteStore, OpenError>) -> Result<Cache, Exit> {
    let file = opened.map_err(|error| unusable(path, &error))?;
    let cache = Cache::default();
    let attached = cache.attach(Backing::File(file)).await;
    attached.map_err(|error| unusable(path, &error))?;
    Ok(cache)
}

fn unusable(path: &Path, error: &dyn Display) -> Exit {
    Exit::with_status(1, format!("{}: {error}", path.display()))
}

/// Longer than the daemon takes to write its file, and to answer.
const MAX_TIME: Duration = Duration::from_secs(10);
/// More than the entries of a file.
const MAX_ANSWER: usize = 512 << 20;
