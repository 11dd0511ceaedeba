//! The error of a plugin: why it has no answer, and what comes of that.

use std::sync::Arc;

use policy_store::StoreError;
use thiserror::Error;

mod on_error;
pub use on_error::OnError;

/// Why a plugin has no answer.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum PluginError {
    /// A connection of the configuration has failed.
    #[error("{connection}: {error}")]
    Store {
        /// Its name in the configuration, with what it leads to.
        connection: Arc<str>,
        /// What came.
        error: StoreError,
    },
    /// Something else, in words.
    #[error("{0}")]
    Other(String),
    /// The time of the request is over.
    #[error("Request timeout!")]
    Timeout,
    /// A plugin of a nested chain has failed.
    #[error("plugin {plugin} failed: {error}")]
    Nested {
        /// The plugin's name.
        plugin: Arc<str>,
        /// Its error.
        error: Box<Self>,
    },
}

impl PluginError {
    /// An error in words.
    pub fn other(text: impl Into<String>) -> Self {
        Self::Other(text.into())
    }

    /// Whether a database has refused a statement, as where a table is missing.
    pub(crate) fn is_refusal(&self) -> bool {
        let is_refused = |error: &StoreError| matches!(error, StoreError::Refused(_));
        matches!(self, Self::Store { error, .. } if is_refused(error))
    }

    /// Whether the time of the request is over, here or in a nested chain.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Timeout => true,
            Self::Nested { error, .. } => error.is_timeout(),
            Self::Store { .. } | Self::Other(_) => false,
        }
    }
}
