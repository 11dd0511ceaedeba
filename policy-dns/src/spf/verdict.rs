//! The verdict of a check.

use std::fmt;

use super::{Scope, SpfRequest};

/// The results of RFC 7208, 2.6.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SpfResult {
    /// The domain says nothing, or there is none.
    None,
    /// The domain says that it does not say.
    Neutral,
    /// The client may use the identity.
    Pass,
    /// The client may not use the identity.
    Fail,
    /// The client probably may not use the identity.
    SoftFail,
    /// DNS failed; the next try may tell.
    TempError,
    /// The domain's records are wrong.
    PermError,
}

impl SpfResult {
    /// The word of the RFC: `softfail`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Neutral => "neutral",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

impl fmt::Display for SpfResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The verdict of a check: the result, the reason, and how to say it.
///
/// All texts are printable ASCII: other bytes are written as `\xNN`. So they fit into a reply, a header or a log
/// line as they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    pub(super) result: SpfResult,
    pub(super) request: SpfRequest,
    pub(super) receiver: String,
    pub(super) mechanism: Option<String>,
    pub(super) local_explanation: String,
    pub(super) authority_explanation: Option<String>,
    pub(super) look_ups: u32,
}

impl Verdict {
    /// The result.
    #[must_use]
    pub fn result(&self) -> SpfResult {
        self.result
    }

    /// Which identity was checked.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.request.scope
    }

    /// The mechanism that matched, such as `-all` or `ip4:192.0.2.0/24`, at most 1024 bytes; none if the result has
    /// another reason.
    #[must_use]
    pub fn mechanism(&self) -> Option<&str> {
        self.mechanism.as_deref()
    }

    /// Why, in Mail::SPF's words, at most 1024 bytes: for the log and for the receiver's own replies.
    #[must_use]
    pub fn local_explanation(&self) -> &str {
        &self.local_explanation
    }

    /// The text that the domain, or [`SpfOptions::default_explanation`](super::SpfOptions::default_explanation), tells a
    /// sender whose result is [`SpfResult::Fail`], at most 512 bytes; none with other results.
    ///
    /// The text is the domain owner's, not the receiver's: a reply should say so (RFC 7208, 6.2).
    #[must_use]
    pub fn authority_explanation(&self) -> Option<&str> {
        self.authority_explanation.as_deref()
    }

    /// How many questions were asked.
    #[must_use]
    pub fn look_ups(&self) -> u32 {
        self.look_ups
    }
}
