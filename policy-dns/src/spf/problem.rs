//! Problems that end a check without a decision, in Mail::SPF's words.

use thiserror::Error;

use super::{SpfResult, scan::printable};
use crate::{Outcome, RecordType};

/// Why a check ends without a decision. Texts are printable.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(super) enum Problem {
    #[error("No applicable sender policy available")]
    NoRecord,
    #[error("Redundant applicable 'v=spf1' sender policies found")]
    RedundantRecords,
    #[error("Time-out on DNS '{0}' lookup of '{1}'")]
    Timeout(RecordType, String),
    #[error("Unknown error on DNS '{0}' lookup of '{1}'")]
    Unreachable(RecordType, String),
    #[error("'{0}' error on DNS '{1}' lookup of '{2}'")]
    Code(String, RecordType, String),
    #[error("Maximum DNS-interactive terms limit ({0}) exceeded")]
    Terms(u32),
    #[error("Maximum void DNS look-ups limit ({0}) exceeded")]
    VoidLookUps(u32),
    #[error("Maximum name look-ups per mechanism limit ({0}) exceeded in '{1}'")]
    Exchanges(u32, String),
    #[error("Included domain '{0}' has no applicable sender policy")]
    Included(String),
    #[error("Redirect domain '{0}' has no applicable sender policy")]
    Redirected(String),
    #[error("Unknown mechanism type '{0}' in 'v=spf1' record")]
    UnknownMechanism(String),
    #[error("Junk encountered in record '{0}'")]
    JunkInRecord(String),
    #[error("Junk encountered in mechanism '{0}'")]
    JunkInMechanism(String),
    #[error("Junk encountered in modifier '{0}'")]
    JunkInModifier(String),
    #[error("Duplicate global modifier '{0}' encountered")]
    DuplicateModifier(&'static str),
    #[error("Missing required domain-spec in '{0}'")]
    MissingDomain(String),
    #[error("Missing required IPv{0} address in '{1}'")]
    MissingAddress(u8, String),
    #[error("Missing required IPv6 prefix length in '{0}'")]
    MissingPrefix(String),
    #[error("Invalid IPv{0} prefix length encountered in '{1}'")]
    InvalidPrefix(u8, String),
    #[error("Invalid macro string encountered in '{0}'")]
    InvalidMacroString(String),
    #[error("Invalid macro expression at pos {0} in macro string '{1}'")]
    InvalidMacro(usize, String),
    #[error("Unknown macro character '{0}' at pos {1} in macro string '{2}'")]
    UnknownMacro(char, usize, String),
    #[error("Illegal selection of 0 (zero) right-hand parts at pos {0} in macro string '{1}'")]
    ZeroParts(usize, String),
    #[error("Illegal '{0}' macro in non-explanation macro string '{1}'")]
    IllegalMacro(char, String),
    #[error("Macro string '{0}' expands to more than 4096 bytes")]
    Expansion(String),
}

impl Problem {
    /// The problem of a look-up that was not answered.
    pub(super) fn look_up(outcome: Outcome, kind: RecordType, name: &[u8]) -> Self {
        let name = printable(name);
        match outcome {
            Outcome::Timeout => Self::Timeout(kind, name),
            Outcome::Unreachable => Self::Unreachable(kind, name),
            other => Self::Code(other.code(), kind, name),
        }
    }

    pub(super) fn result(&self) -> SpfResult {
        match self {
            Self::NoRecord => SpfResult::None,
            Self::Timeout(..) | Self::Unreachable(..) | Self::Code(..) => SpfResult::TempError,
            _ => SpfResult::PermError,
        }
    }

    /// The text, beginning in lower case.
    pub(super) fn in_parentheses(&self) -> String {
        let mut text = self.to_string();
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        text
    }
}
