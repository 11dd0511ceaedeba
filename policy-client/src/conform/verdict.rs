//! The end of a test of a case.

/// The end of a test.
pub(crate) type Verdict = Result<(), Miss>;

/// Why a test has not passed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Miss {
    Failed(String),
    /// It could not be told.
    Skipped(String),
    /// Nobody listens any more.
    Ended(String),
}

impl Miss {
    pub(crate) fn failed<T>(text: impl Into<String>) -> Result<T, Self> {
        Err(Self::Failed(text.into()))
    }
}
