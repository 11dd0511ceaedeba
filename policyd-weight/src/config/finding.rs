//! The findings of a check of a configuration.

use super::{Loaded, Source};

/// Something that an administrator wants to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    is_error: bool,
    text: String,
}

impl Finding {
    /// The configuration does not work so.
    pub(crate) fn error(text: impl Into<String>) -> Self {
        Self {
            is_error: true,
            text: text.into(),
        }
    }

    /// It works, and hardly as it is meant.
    pub(crate) fn warning(text: impl Into<String>) -> Self {
        Self {
            is_error: false,
            text: text.into(),
        }
    }

    /// Whether the configuration does not work so.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.is_error
    }

    /// `error` or `warning`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.is_error { "error" } else { "warning" }
    }

    /// The sentence.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// `FILE:LINE:COLUMN: KIND: SENTENCE`, with the place where the file sets the first option that the sentence names;
    /// its beginning where the file does not.
    #[must_use]
    pub fn report(&self, source: &Source, loaded: &Loaded) -> String {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let names = self.text.match_indices(['$', '@']).map(|(start, _)| {
            let after = self.text.get(start + 1..).unwrap_or_default();
            let length = after.find(|c| !is_name(c)).unwrap_or(after.len());
            self.text.get(start..=start + length).unwrap_or_default()
        });
        let place = names
            .filter_map(|name| loaded.places.get(name))
            .next()
            .copied();
        let (line, column) = place.unwrap_or((1, 1));
        let (shown, kind, text) = (source.shown(), self.kind(), &self.text);
        format!("{shown}:{line}:{column}: {kind}: {text}")
    }
}
