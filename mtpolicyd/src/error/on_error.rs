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
    /// All of them, in their order, with their words.
    pub(crate) const ALL: [(Self, &'static str); 4] = [
        (Self::Close, "close"),
        (Self::Continue, "continue"),
        (Self::Dunno, "dunno"),
        (Self::Defer, "defer"),
    ];

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
        let mut all = Self::ALL.into_iter();
        all.find(|(_, known)| *known == word)
            .map(|(effect, _)| effect)
    }
}
