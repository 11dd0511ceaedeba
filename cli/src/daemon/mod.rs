//! Everything that makes a process a good daemon.

pub(crate) mod error;
pub(crate) mod listen;
pub(crate) mod log;
pub(crate) mod process;
pub(crate) mod restart;
pub(crate) mod shutdown;
pub(crate) mod start;
pub(crate) mod worker;

pub use error::StartError;
pub use listen::{
    address::{InvalidListen, Listen},
    socket::Bound,
};
pub use log::{Level, Log, escaped, printable, printable_json};
pub use process::stdio::silence_stderr;
pub use start::activation::Passed;
