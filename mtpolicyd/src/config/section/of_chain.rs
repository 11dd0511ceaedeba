//! Parameters whose values the chain knows: scores, actions, names of values, regular expressions, and a chain itself.

use super::Section;
use crate::{
    chain::{Chain, Key, Pattern, Score, Scoring, number},
    config::action,
};

impl Section<'_> {
    /// A number, and what plugins add to the score.
    pub fn score(&mut self, key: &str) -> Option<Score> {
        let text = self.text(key)?;
        if !number::is_number(&text) {
            self.error(key, format!("`{key}` is `{text}`, but a number is wanted"));
        }
        Some(Score::new(text))
    }

    /// A number with a default, and what plugins add to the score.
    pub fn score_or(&mut self, key: &str, default: &str) -> Score {
        self.score(key).unwrap_or_else(|| Score::new(default))
    }

    /// The field of the session in which the plugin sums up scores: `score_field`.
    pub fn scoring(&mut self) -> Scoring {
        Scoring::new(self.text_or("score_field", "score"))
    }

    /// An action for Postfix. One that Postfix does not know is a warning.
    pub fn action(&mut self, key: &str) -> Option<String> {
        let action = self.text(key)?;
        if let Some(warning) = action::warning(&action, key) {
            self.warning(key, warning);
        }
        Some(action)
    }

    /// The name of a value: an attribute of the request, or a field of the session. It has to be given.
    pub fn key(&mut self, key: &str) -> Key {
        let name = Key::parse(&self.required(key));
        if let Key::Unknown { scope, .. } = &name {
            let text = format!(
                "there is no scope `{scope}`, only request (r) and session (s): each request will fail here"
            );
            self.warning(key, text);
        }
        name
    }

    /// A regular expression.
    pub fn pattern(&mut self, key: &str) -> Option<Pattern> {
        let text = self.text(key)?;
        if text.is_empty() {
            self.warning(key, format!("`{key}` is empty, and so matches every value"));
        }
        match Pattern::compile(&text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                self.error(key, format!("`{key}` is no regular expression: {error}"));
                None
            }
        }
    }

    /// The chain in the block: its `<Plugin>` blocks.
    pub fn chain(&mut self) -> Option<Chain> {
        let plugins = self.entry("Plugin")?;
        (self.build.chain)(plugins, self.build)
    }
}
