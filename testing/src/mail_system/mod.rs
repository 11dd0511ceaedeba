//! A Postfix of a test's own, its clients, and its log.
//!
//! Needs root, and Debian's packages postfix and openssl.

mod instance;
pub use instance::{Postfix, Processes, Setup};

pub mod log;

mod mailbox;

mod needs;

mod session;
pub use session::Session;

mod smtp;
pub use smtp::{CLIENT, Smtp};

use std::time::Duration;

/// Bounds a failure; nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(60);
