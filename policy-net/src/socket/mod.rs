//! Sockets: streams, and what accepts them.

mod disposal;
mod listener;
mod stream;
mod unix_listener;
mod unix_stream;

pub use disposal::close_apart;
pub use listener::{Listener, Passed, Passer};
pub use stream::Stream;
pub use unix_listener::UnixListener;
pub use unix_stream::UnixStream;
