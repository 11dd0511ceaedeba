//! Flaws of a stream, as the tests write them: the variants of an error may grow fields, so other crates cannot
//! build them.

use policy_proto::DecodeError;

/// A [`DecodeError`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flaw {
    NoEquals { offset: usize },
    EmptyName { offset: usize },
    Nul { offset: usize },
    CarriageReturn { offset: usize },
    NoAction { offset: usize },
    BlankAction { offset: usize },
    LineTooLong { limit: usize },
    MessageTooLong { limit: usize },
    UnexpectedEnd,
}

impl From<DecodeError> for Flaw {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::NoEquals { offset, .. } => Self::NoEquals { offset },
            DecodeError::EmptyName { offset, .. } => Self::EmptyName { offset },
            DecodeError::Nul { offset, .. } => Self::Nul { offset },
            DecodeError::CarriageReturn { offset, .. } => Self::CarriageReturn { offset },
            DecodeError::NoAction { offset, .. } => Self::NoAction { offset },
            DecodeError::BlankAction { offset, .. } => Self::BlankAction { offset },
            DecodeError::LineTooLong { limit, .. } => Self::LineTooLong { limit },
            DecodeError::MessageTooLong { limit, .. } => Self::MessageTooLong { limit },
            DecodeError::UnexpectedEnd => Self::UnexpectedEnd,
            error => panic!("an error that the tests do not know: {error}"),
        }
    }
}
