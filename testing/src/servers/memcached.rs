//! memcached.

use super::{Server, free_port};

/// memcached, with its address.
pub fn memcached() -> Server {
    let port = free_port().to_string();
    Server::start(
        &format!("127.0.0.1:{port}"),
        &[
            "memcached",
            "-l",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "0",
            "-u",
            "root",
            "-m",
            "64",
        ],
    )
}
