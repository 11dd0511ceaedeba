//! Parameters that a field of the session may override: `uc_NAME`.

use std::borrow::Cow;

use super::score::Score;
use crate::session::Session;

/// A parameter, and the field of the session that overrides it where it has a value.
///
/// ```
/// use mtpolicyd::{Session, chain::Setting};
///
/// let setting = Setting::new(Some("10".to_owned()), Some("threshold".to_owned()));
/// let mut session = Session::default();
/// assert_eq!(setting.get(&session), Some("10"));
/// session.set("threshold", "3");
/// assert_eq!(setting.get(&session), Some("3"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// Its text, and the number that this is.
    value: Option<Score>,
    field: Option<String>,
}

impl Setting {
    /// A parameter with its value in the configuration, and the field that overrides it.
    #[must_use]
    pub fn new(value: Option<String>, field: Option<String>) -> Self {
        let value = value.map(Score::new);
        Self { value, field }
    }

    /// Its value for this session.
    #[must_use]
    pub fn get<'s>(&'s self, session: &'s Session) -> Option<&'s str> {
        self.overriding(session).or_else(|| self.configured())
    }

    /// Its value, or nothing in a text.
    #[must_use]
    pub fn text<'s>(&'s self, session: &'s Session) -> &'s str {
        self.get(session).unwrap_or_default()
    }

    /// Its value as a score.
    #[must_use]
    pub fn score(&self, session: &Session) -> Option<Cow<'_, Score>> {
        let value = self.value.as_ref().map(Cow::Borrowed);
        let overriding = self.overriding(session);
        overriding.map_or(value, |text| Some(Cow::Owned(Score::new(text))))
    }

    /// Its value as a number.
    #[must_use]
    pub fn number(&self, session: &Session) -> Option<f64> {
        self.score(session).map(|score| score.value())
    }

    /// Whether it is `off`: what the parameter `enabled` is asked.
    #[must_use]
    pub fn is_off(&self, session: &Session) -> bool {
        self.get(session) == Some("off")
    }

    /// Its value in the configuration.
    #[must_use]
    pub fn configured(&self) -> Option<&str> {
        self.value.as_ref().map(Score::text)
    }

    fn overriding<'s>(&self, session: &'s Session) -> Option<&'s str> {
        session.get(self.field.as_deref()?)
    }
}
