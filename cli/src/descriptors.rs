use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};

/// How many descriptors are left for clients, once the limit is as high as the system lets it be.
///
/// `own` are those of the listeners and runtimes: without room for them and for one client it is an
/// error here rather than later, when nothing could be done about it. `upstream` are those that
/// connections to services may come to need: so many are kept free of clients, or half of all
/// where that is too many.
pub(crate) fn for_clients(own: usize, upstream: usize) -> io::Result<usize> {
    let left = raise()?.saturating_sub(own);
    match left - upstream.min(left / 2) {
        // The client's own, and one for its request.
        0 | 1 => Err(rustix::io::Errno::MFILE.into()),
        clients => Ok(clients),
    }
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

/// `fs.nr_open` as Linux has it by default: a higher limit helps nobody.
const MOST: u64 = 1 << 20;
