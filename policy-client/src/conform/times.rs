//! The times that the tests wait.

use std::time::Duration;

/// How long the tests wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// For a connection, and for each answer.
    pub(crate) answer: Duration,
    /// For what is not to come.
    pub(crate) silence: Duration,
    /// On an idle connection.
    pub(crate) idle: Duration,
    /// Between the pieces of a request, so that they do not come together.
    pub(crate) piece: Duration,
}
