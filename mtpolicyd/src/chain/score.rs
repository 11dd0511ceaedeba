//! Scores: what a plugin adds, and the field of the session in which they are summed up.

use super::number;
use crate::session::Session;

/// What a plugin adds to the score. It is shown as the configuration has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    text: String,
    value: f64,
}

impl Score {
    /// A score of this text, by Perl's rules: a text that is no number is 0.
    ///
    /// ```
    /// use mtpolicyd::chain::Score;
    ///
    /// let score = Score::new("+1.50");
    /// assert_eq!((score.text(), score.value()), ("+1.50", 1.5));
    /// ```
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let value = number::parse(&text);
        Self { text, value }
    }

    /// As the configuration has it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The number.
    #[must_use]
    pub const fn value(&self) -> f64 {
        self.value
    }
}

/// The field of the session in which scores are summed up: the parameter `score_field`.
#[derive(Clone, Debug)]
pub struct Scoring {
    field: String,
    detail_field: String,
}

impl Default for Scoring {
    fn default() -> Self {
        Self::new("score")
    }
}

impl Scoring {
    /// Scores are in this field, and their detail in `FIELD_detail`.
    #[must_use]
    pub fn new(field: impl Into<String>) -> Self {
        let field = field.into();
        let detail_field = format!("{field}_detail");
        Self {
            field,
            detail_field,
        }
    }

    /// The field.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The field that says which plugin has added what.
    #[must_use]
    pub fn detail_field(&self) -> &str {
        &self.detail_field
    }

    /// The score so far.
    #[must_use]
    pub fn score(&self, session: &Session) -> f64 {
        session.get(&self.field).map_or(0.0, number::parse)
    }

    /// The score so far as it is shown: the field's own text, 0 where there is none.
    #[must_use]
    pub fn text<'s>(&self, session: &'s Session) -> &'s str {
        session.get(&self.field).unwrap_or("0")
    }

    /// The detail: `a=1, b=2`.
    #[must_use]
    pub fn detail<'s>(&self, session: &'s Session) -> Option<&'s str> {
        session.get(&self.detail_field)
    }
}
