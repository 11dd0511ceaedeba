//! Private servers: Debian's own programs on free ports, as children that end with the test.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test that includes this module uses a part of it"
)]

pub mod databases;
pub mod directory;
pub mod faults;
pub mod process;
pub mod redis;

use std::{net::TcpListener, path::Path};

pub use self::process::Server;

/// A port of 127.0.0.1 on which nobody listened just now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

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

/// A path as text.
pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
