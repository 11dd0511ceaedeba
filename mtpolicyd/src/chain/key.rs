//! Names of values in the configuration: an attribute of the request, or a field of the session.

/// What a parameter such as `key` names: `[r:|request:|s:|session:]name`.
///
/// ```
/// use mtpolicyd::chain::Key;
///
/// assert_eq!(Key::parse("sender"), Key::Request("sender".to_owned()));
/// assert_eq!(Key::parse("s:score"), Key::Session("score".to_owned()));
/// assert_eq!(Key::parse("request:a:b"), Key::Request("a:b".to_owned()));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Key {
    /// An attribute of the request.
    Request(String),
    /// A field of the session.
    Session(String),
    /// An empty name: it never has a value.
    Nothing,
    /// A scope that there is none of: an error at each request, as in the original.
    Unknown {
        /// The scope.
        scope: String,
        /// The whole key.
        key: String,
    },
}

impl Key {
    /// Reads a key.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.is_empty() {
            return Self::Nothing;
        }
        match text.split_once(':') {
            None => Self::Request(text.to_owned()),
            Some(("r" | "request", name)) => Self::Request(name.to_owned()),
            Some(("s" | "session", name)) => Self::Session(name.to_owned()),
            Some((scope, _)) => Self::Unknown {
                scope: scope.to_owned(),
                key: text.to_owned(),
            },
        }
    }
}
