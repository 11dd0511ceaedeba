//! Private servers: Debian's own programs on free ports, as children that end with the test.

pub mod databases;
pub mod directory;
pub mod redis;

mod memcached;
pub use memcached::memcached;

mod server;
pub use server::{Server, run};

use std::{net::TcpListener, path::Path};

/// A port of 127.0.0.1 on which nobody listened just now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A path as text.
pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
