//! The effect of a plugin's error: the parameter `on_error`.

/// What comes of an error of a plugin.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OnError {
    /// The connection is closed without an answer: Postfix tries again, and then takes its
    /// `smtpd_policy_service_default_action`. The default, as in the original.
    #[default]
    Close,
    /// The next plugin has its turn.
    Continue,
    /// The answer is `dunno`.
    Dunno,
    /// The answer is a temporary refusal, unless something later refuses for good.
    Defer,
}

impl OnError {
    /// What this word says; `None` if it is none of the words.
    ///
    /// ```
    /// use mtpolicyd::chain::OnError;
    ///
    /// assert_eq!(OnError::parse("continue"), Some(OnError::Continue));
    /// assert_eq!(OnError::parse("Continue"), None);
    /// ```
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "close" => Some(Self::Close),
            "continue" => Some(Self::Continue),
            "dunno" => Some(Self::Dunno),
            "defer" => Some(Self::Defer),
            _ => None,
        }
    }
}
