//! A password: it is never shown.

use std::fmt;

/// A text that is not shown by `Debug`.
///
/// ```
/// let password = policy_store::Secret::from("geheim");
/// assert_eq!(format!("{password:?}"), "Secret(..)");
/// assert_eq!(password.reveal(), "geheim");
/// ```
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// The text, for whom it is meant.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}
