//! Private servers, started as policy-store's tests start them.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "what is shared is used here in part"
)]

#[path = "../../../policy-store/tests/support/databases.rs"]
pub mod databases;
#[path = "../../../policy-store/tests/support/directory.rs"]
pub mod directory;
#[path = "../../../policy-store/tests/support/process.rs"]
pub mod process;
#[path = "../../../policy-store/tests/support/redis.rs"]
pub mod redis;

use std::{net::TcpListener, path::Path};

pub use self::process::Server;

/// A port of 127.0.0.1 on which nobody listened just now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A path as text.
pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
