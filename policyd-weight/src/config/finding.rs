//! The findings of a check of a configuration.

/// Something that an administrator wants to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Finding {
    /// The configuration does not work so.
    Error(String),
    /// It works, and hardly as it is meant.
    Warning(String),
}

impl Finding {
    /// `error` or `warning`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::Warning(_) => "warning",
        }
    }

    /// The sentence.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Error(text) | Self::Warning(text) => text,
        }
    }
}

/// Adds a warning.
pub(super) fn warn(findings: &mut Vec<Finding>, text: impl Into<String>) {
    findings.push(Finding::Warning(text.into()));
}
