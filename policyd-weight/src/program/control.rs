//! The socket of the running daemon's cache, for `-s` and `-k`: lines of the Perl program's cache.
//!
//! A line is `5 QUERY`: `stats` is answered by the entries and `EOF`, `kill` empties the cache. The socket is in a
//! directory of the daemon's user, and answers that user and root alone.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt},
        net::UnixStream as StdStream,
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::{
    fs::Mode,
    io::Errno,
    net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
    process::{Pid, umask},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    time::timeout,
};

use crate::{
    cache::Cache,
    policy::{Policy, one_line},
    text::bytes,
};

/// The socket, whose file goes with it.
#[derive(Debug)]
pub(super) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    file: (u64, u64),
}

impl Drop for ControlSocket {
    /// Leaves the file of a daemon that was started meanwhile.
    fn drop(&mut self) {
        if file_id(&self.path).is_ok_and(|file| file == self.file) {
            _ = fs::remove_file(&self.path);
        }
    }
}

fn file_id(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Whether a socket is at a path; or nothing is.
///
/// # Errors
///
/// Something else is there, which stays: the path may be a slip of the pen.
pub(super) fn is_there(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => Ok(true),
        Ok(_) => Err(io::Error::other("it is no socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Connects within a time: a listener that takes nobody would be waited for without an end.
pub(super) fn connect(path: &Path, time: Duration) -> io::Result<StdStream> {
    let socket = net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let stream = StdStream::from(socket);
    let (address, end) = (SocketAddrUnix::new(path)?, Instant::now() + time);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        stream.set_write_timeout(Some(left))?;
        match net::connect(&stream, &address) {
            // Such as by a terminal that has stopped this process for a while.
            Err(Errno::INTR) => {}
            connected => return Ok(connected.map(|()| stream)?),
        }
    }
}

/// The process that listens at a path.
pub(super) fn listener(path: &Path) -> Option<Pid> {
    let stream = connect(path, Duration::from_secs(1)).ok()?;
    net::sockopt::socket_peercred(stream)
        .ok()
        .map(|peer| peer.pid)
}

/// Listens at a path. A socket that nobody listens at is replaced.
pub(super) fn bind(path: &Path) -> io::Result<ControlSocket> {
    match connect(path, Duration::from_secs(1)) {
        Ok(_) => return Err(io::Error::other("socket exists and is connectable")),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return Err(io::Error::other(
                "another process listens, and takes nobody",
            ));
        }
        Err(_) => {}
    }
    if is_there(path)? {
        fs::remove_file(path)?;
    }
    // Its mode from the start: a change of the path's mode would follow a link that is put there meanwhile.
    let before = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    umask(before);
    Ok(ControlSocket {
        listener: listener?,
        file: file_id(path)?,
        path: path.to_owned(),
    })
}

/// Answers one connection at a time, for a short time.
pub(super) async fn serve(socket: &ControlSocket, policy: &Arc<Policy>) {
    let own = rustix::process::geteuid().as_raw();
    loop {
        let Ok((stream, _)) = socket.listener.accept().await else {
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let is_allowed = stream
            .peer_cred()
            .is_ok_and(|peer| [0, own].contains(&peer.uid()));
        if is_allowed {
            // A client that is gone, or does not read, has no answer.
            _ = timeout(MAX_TIME, answer(stream, policy)).await;
        }
    }
}

async fn answer(stream: UnixStream, policy: &Policy) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = vec![];
    (&mut stream)
        .take(MAX_LINE)
        .read_until(b'\n', &mut line)
        .await?;
    let line = String::from_utf8_lossy(&line)
        .trim_end()
        .to_ascii_lowercase();
    let answer = match line.split(' ').nth(1) {
        Some("stats") if policy.cache().is_shared() => "stats shared\nEOF\n".to_owned(),
        Some("stats") => {
            let away = in_memory(policy.cache()).await.unwrap_or_default();
            let entries = policy
                .cache()
                .entries()
                .into_iter()
                .map(|entry| entry + "\n");
            format!("stats {away}\n{}EOF\n", entries.collect::<String>())
        }
        Some("kill") => kill(policy).await,
        _ => format!("unknown cache request: {line}\nEOF\n"),
    };
    stream.write_all(&bytes(&answer)).await?;
    stream.shutdown().await
}

/// Empties the cache, and what processes of spawn(8) have written into its file.
async fn kill(policy: &Policy) -> String {
    match policy.cache().empty().await {
        Ok(None) => "kill shared\n".to_owned(),
        Ok(Some(count)) => {
            policy.log().info("cache killed");
            format!("kill {count}\n")
        }
        Err(error) => format!("kill failed: {}\n", one_line(&error.reason())),
    }
}

/// Takes over what the file has, for who is shown the cache; or says in one line that what is shown is in memory alone.
pub(super) async fn in_memory(cache: &Cache) -> Option<String> {
    let away = cache.look().await?;
    Some(format!("in memory alone: {}", one_line(&away)))
}

const MAX_TIME: Duration = Duration::from_secs(5);
const MAX_LINE: u64 = 4096;
