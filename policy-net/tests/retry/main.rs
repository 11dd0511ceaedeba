//! Requests that are put to another server, and those that are not, since somebody may have acted on them.

mod failures;
mod kept;
mod sockets;

use policy_net::{Retry, UpstreamOptions};

fn with(retry: Retry) -> UpstreamOptions {
    let mut options = UpstreamOptions::default();
    options.retry = retry;
    options
}
