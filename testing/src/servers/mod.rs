//! Private servers: Debian's own programs on free ports, as children that end with the test.

pub mod databases;
pub mod directory;
pub mod redis;

mod memcached;
pub use memcached::memcached;

mod server;
pub use server::{Server, run};

use std::path::Path;

pub use crate::free_port;

/// A path as text.
pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
