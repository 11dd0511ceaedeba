//! The findings of a check of a configuration.

use super::{Loaded, Source};

/// Something that an administrator wants to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    is_error: bool,
    /// The options that it follows from, with their `$` or `@`: the one that is named first.
    options: Vec<String>,
    text: String,
}

impl Finding {
    /// The configuration does not work so, because of these options.
    pub(crate) fn error(options: &[&str], text: impl Into<String>) -> Self {
        Self::new(true, options, text.into())
    }

    /// It works, and hardly as it is meant.
    pub(crate) fn warning(options: &[&str], text: impl Into<String>) -> Self {
        Self::new(false, options, text.into())
    }

    fn new(is_error: bool, options: &[&str], text: String) -> Self {
        Self {
            is_error,
            options: options.iter().map(|&name| name.to_owned()).collect(),
            // It is one line of the check and of the log, whatever a value has in it.
            text: text.replace(char::is_control, "?"),
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

    /// `FILE:LINE:COLUMN: KIND: SENTENCE`, with the place of the first of its options that the file sets. Where the file
    /// sets none of them, no line is to blame: `FILE: KIND: SENTENCE`.
    #[must_use]
    pub fn report(&self, source: &Source, loaded: &Loaded) -> String {
        let mut places = self.options.iter().map(|name| loaded.places.get(name));
        let place = match places.find_map(|place| place) {
            Some((line, column)) => format!(":{line}:{column}"),
            None => String::new(),
        };
        let (shown, kind, text) = (source.shown(), self.kind(), &self.text);
        format!("{shown}{place}: {kind}: {text}")
    }
}
