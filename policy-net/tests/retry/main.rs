//! What is put to another server, and what is not, since somebody may have acted on it.

mod failures;
mod kept;
mod sockets;

use policy_net::{Retry, UpstreamOptions};

fn with(retry: Retry) -> UpstreamOptions {
    let mut options = UpstreamOptions::default();
    options.retry = retry;
    options
}
