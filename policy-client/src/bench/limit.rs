//! The number of connections that the system allows a process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Has so many connections fit, and some files; what is wrong if they cannot.
pub(crate) fn raise_to(connections: usize) -> Result<(), String> {
    let wanted = connections as u64 + OTHERS;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // `None` is without a limit.
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum,
    };
    setrlimit(Resource::Nofile, raised).map_err(|_| {
        let most = maximum.unwrap_or_default().saturating_sub(OTHERS);
        format!("{connections} connections are more than the limit of open files allows: {most}")
    })
}

/// Standard streams, the event loop, and what libraries open.
const OTHERS: u64 = 24;
