//! Descriptors of the process: their limit, and those that its starter left open.

use std::{
    fs, io,
    os::fd::{AsRawFd, RawFd},
};

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit of descriptors as far as the system allows, and counts those that are left for clients.
///
/// `own` are the descriptors of listeners and event loops. Without room for them and for one client the start fails,
/// rather than the service later. `reserved` are those that the service's own connections may need: as many are kept
/// free of clients, or half of all where that is too many.
pub(crate) fn capacity(own: usize, reserved: usize) -> io::Result<Capacity> {
    let limit = raise()?;
    let left = limit.saturating_sub(own);
    match places(left, reserved) {
        0 => Err(rustix::io::Errno::MFILE.into()),
        clients => Ok(Capacity { clients, limit }),
    }
}

/// The clients for which `left` descriptors are enough. Connections on their way from one worker to another have no place
/// yet: an eighth is enough for them where there are few, since a connection that cannot be accepted waits.
fn places(left: usize, reserved: usize) -> usize {
    let clients = left - reserved.min(left / 2);
    // One descriptor for the client, and one for its request.
    match clients {
        0 | 1 => 0,
        clients => clients - MAX_UNDER_WAY.min(clients / 8),
    }
}

/// The clients that the limit of descriptors leaves room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    pub(crate) clients: usize,
    /// The limit of descriptors.
    pub(crate) limit: usize,
}

/// The most descriptors that the process may have now.
pub(crate) fn limit() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    usize::try_from(limit.unwrap_or(NR_OPEN)).unwrap_or(usize::MAX)
}

/// Closes the descriptors that the starter left open, except standard input, output and error, and those that were passed
/// on purpose. To be called before anything is opened.
pub(crate) fn close_inherited(passed: &[impl AsRawFd]) {
    let kept: Vec<RawFd> = passed.iter().map(AsRawFd::as_raw_fd).collect();
    let open = |name: fs::DirEntry| name.file_name().to_str()?.parse::<RawFd>().ok();
    // The list is complete before the first is closed: the directory has a descriptor too.
    let open: Vec<RawFd> = match fs::read_dir("/proc/self/fd") {
        Ok(entries) => entries.flatten().filter_map(open).collect(),
        // Without the list each possible number is tried.
        Err(_) => (0..most_open()).collect(),
    };
    let left_open = |fd: &RawFd| *fd > 2 && !kept.contains(fd);
    for fd in open.into_iter().filter(left_open) {
        // One of them was the directory's.
        _ = nix::unistd::close(fd);
    }
}

fn most_open() -> RawFd {
    let limit = getrlimit(Resource::Nofile);
    let limit = limit
        .maximum
        .or(limit.current)
        .unwrap_or(NR_OPEN)
        .min(NR_OPEN);
    RawFd::try_from(limit).unwrap_or(RawFd::MAX)
}

/// Raises the limit as far as the system allows.
fn raise() -> io::Result<usize> {
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(NR_OPEN).min(NR_OPEN);
    if limit.current.is_some_and(|current| current < most) {
        limit.current = Some(most);
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(usize::try_from(limit.current.unwrap_or(NR_OPEN)).unwrap_or(usize::MAX))
}

/// Connections that have been accepted and have no place yet.
const MAX_UNDER_WAY: usize = 128;
/// The default of `fs.nr_open` on Linux: no daemon needs more.
const NR_OPEN: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_kept_free_for_the_service_and_for_clients_without_a_place_yet() {
        for (left, reserved, clients) in [
            (2000, 200, 1672),
            (1000, 200, 700),
            (1000, 900, 438),
            (100, 0, 88),
            (4, 0, 4),
            (2, 0, 2),
            (3, 9, 2),
            (1, 0, 0),
            (0, 0, 0),
        ] {
            assert_eq!(places(left, reserved), clients, "{left} {reserved}");
        }
    }
}
