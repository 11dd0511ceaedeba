//! Parameters that a field of the session may override: `uc_NAME`.

use std::borrow::Cow;

use super::{number, score::Score};
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
    wanted: Wanted,
}

/// What the value of a parameter has to be.
#[derive(Clone, Debug, Default)]
pub enum Wanted {
    /// Any text.
    #[default]
    Text,
    /// A number. Another text in the field leaves the number of the configuration; as in the original it is 0 where this is
    /// `counts_as_zero`.
    Number {
        /// Whether it is as in the original.
        counts_as_zero: bool,
    },
    /// One of these words. Any other one means what the last text says.
    Word(Vec<String>, String),
    /// `on` or `off`. Any other word means on.
    Switch,
    /// What this function says of a text is wrong with it, and nothing comes of that.
    Checked(fn(&str) -> Option<String>),
}

impl Setting {
    /// A parameter with its value in the configuration, and the field that overrides it.
    #[must_use]
    pub fn new(value: Option<String>, field: Option<String>) -> Self {
        let value = value.map(Score::new);
        Self {
            value,
            field,
            wanted: Wanted::Text,
        }
    }

    /// The same where not any text will do.
    #[must_use]
    pub fn wanting(self, wanted: Wanted) -> Self {
        Self { wanted, ..self }
    }

    /// Whether a field may override it.
    #[must_use]
    pub const fn is_overridable(&self) -> bool {
        self.field.is_some()
    }

    /// What is wrong with the value that the session overrides it with, and what comes of that.
    ///
    /// ```
    /// use mtpolicyd::{Session, chain::{Setting, Wanted}};
    ///
    /// let setting = Setting::new(Some("10".to_owned()), Some("threshold".to_owned()));
    /// let setting = setting.wanting(Wanted::Number { counts_as_zero: false });
    /// let mut session = Session::default();
    /// session.set("threshold", "much");
    /// assert_eq!(setting.number(&session), Some(10.0));
    /// let fault = "field `threshold` is `much`, but a number is wanted: `10` of the configuration counts";
    /// assert_eq!(setting.fault(&session).as_deref(), Some(fault));
    /// ```
    #[must_use]
    pub fn fault(&self, session: &Session) -> Option<String> {
        let field = self.field.as_deref()?;
        let text = session.get(field)?;
        let said = match &self.wanted {
            Wanted::Text => None,
            Wanted::Number { .. } if number::is_number(text.trim()) => None,
            Wanted::Number { counts_as_zero } => {
                let counts = if *counts_as_zero {
                    "it counts as 0".to_owned()
                } else if let Some(configured) = self.configured() {
                    format!("`{configured}` of the configuration counts")
                } else {
                    "nothing counts".to_owned()
                };
                Some(format!("but a number is wanted: {counts}"))
            }
            Wanted::Word(words, _) if words.iter().any(|word| word == text) => None,
            Wanted::Word(words, otherwise) => Some(format!(
                "which means {otherwise}: use one of {}",
                words.join(", ")
            )),
            Wanted::Switch => looks_off(text).then(|| "which means on: use on or off".to_owned()),
            Wanted::Checked(check) => check(text),
        };
        said.map(|said| format!("field `{field}` is `{text}`, {said}"))
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
        let text = session.get(self.field.as_deref()?)?;
        let is_left = match self.wanted {
            Wanted::Number { counts_as_zero } => !counts_as_zero && !number::is_number(text.trim()),
            _ => false,
        };
        (!is_left).then_some(text)
    }
}

/// Whether somebody who wrote this wanted to turn something off, but did not.
fn looks_off(text: &str) -> bool {
    let words = ["", "0", "no", "off", "false"];
    text != "off"
        && words
            .iter()
            .any(|word| text.trim().eq_ignore_ascii_case(word))
}
