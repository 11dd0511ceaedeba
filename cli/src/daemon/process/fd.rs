//! Descriptors of the process: how many it may have, and which it has from its starter.

use std::{
    fs, io,
    os::fd::{AsRawFd, RawFd},
};

use rustix::process::{Resource, getrlimit, setrlimit};

/// How many descriptors are left for clients, once the limit is as high as the system lets it be.
///
/// `own` are those of the listeners and event loops: without room for them and for one client it is an
/// error here rather than later, when nothing could be done about it. `upstream` are those that
/// connections to services may come to need: so many are kept free of clients, or half of all
/// where that is too many.
pub(crate) fn for_clients(own: usize, upstream: usize) -> io::Result<Room> {
    let limit = raise()?;
    let left = limit.saturating_sub(own);
    match places(left, upstream) {
        0 => Err(rustix::io::Errno::MFILE.into()),
        clients => Ok(Room { clients, limit }),
    }
}

/// For how many clients there is room with so many descriptors, if so many are for services. Those that
/// are on their way from one worker to another have no place yet: an eighth is enough where there are few, since a
/// connection that cannot be accepted waits.
fn places(left: usize, upstream: usize) -> usize {
    let clients = left - upstream.min(left / 2);
    // A client's own, and one for its request.
    match clients {
        0 | 1 => 0,
        clients => clients - MAX_UNDER_WAY.min(clients / 8),
    }
}

/// How many clients there is room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) clients: usize,
    /// The limit of descriptors that leaves it.
    pub(crate) limit: usize,
}

/// Closes what the starter left open, but for standard input, output and error, and what was passed on purpose.
/// To be called before anything is opened.
pub(crate) fn close_inherited(passed: &[impl AsRawFd]) {
    let kept: Vec<RawFd> = passed.iter().map(AsRawFd::as_raw_fd).collect();
    let open = |name: fs::DirEntry| name.file_name().to_str()?.parse::<RawFd>().ok();
    // The list is complete before the first is closed: the directory has a descriptor too.
    let open: Vec<RawFd> = match fs::read_dir("/proc/self/fd") {
        Ok(entries) => entries.flatten().filter_map(open).collect(),
        // Looked at one by one where the system does not list them.
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
    let limit = limit.maximum.or(limit.current).unwrap_or(MOST).min(MOST);
    RawFd::try_from(limit).unwrap_or(RawFd::MAX)
}

/// Allows as many descriptors as the system lets this process have.
fn raise() -> io::Result<usize> {
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(MOST).min(MOST);
    if limit.current.is_some_and(|current| current < most) {
        limit.current = Some(most);
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(usize::try_from(limit.current.unwrap_or(MOST)).unwrap_or(usize::MAX))
}

/// As many may have been accepted and have no place yet.
const MAX_UNDER_WAY: usize = 128;
/// `fs.nr_open` as Linux has it by default: a higher limit helps nobody.
const MOST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_kept_free_for_services_and_for_clients_without_a_place_yet() {
        for (left, upstream, clients) in [
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
            assert_eq!(places(left, upstream), clients, "{left} {upstream}");
        }
    }
}
