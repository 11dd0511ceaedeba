//! Sockets: streams, and what accepts them.

mod bind;
pub use bind::BindOptions;

mod connected;

mod listener;
pub use listener::Listener;

mod queue;
pub use queue::AcceptSender;

mod stream;
pub use stream::Stream;

mod unix_listener;
pub use unix_listener::UnixListener;

mod unix_stream;
pub use unix_stream::UnixStream;
