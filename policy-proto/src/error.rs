//! Errors of bytes that are to be decoded, and of parts of a message.

use thiserror::Error;

/// Why a stream of requests or responses cannot be read on.
///
/// An `offset` counts from the first byte of the message at fault (blank lines that came before it
/// are not part of it) and points at the beginning of the line. After an error the stream is lost:
/// log it and disconnect, as the protocol asks of both sides.
///
/// Postfix reads the same lines with `attr_scan_plain.c`, whose errors those about a line and its name
/// are, and judges actions in `smtpd_check.c`; the limits are this crate's.
///
/// ```
/// use bytes::BytesMut;
/// use policy_proto::{DecodeError, MessageDecoder};
///
/// let mut buf = BytesMut::from("sender=a@example.com\nEHLO there\n\n");
/// let error = MessageDecoder::new().request(&mut buf).unwrap_err();
/// assert!(matches!(error, DecodeError::NoEquals { offset: 21, .. }));
/// assert_eq!(error.to_string(), "no '=' in the line at byte 21");
/// ```
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DecodeError {
    /// A line without `=`.
    #[error("no '=' in the line at byte {offset}")]
    #[non_exhaustive]
    NoEquals {
        /// Where the line begins.
        offset: usize,
    },
    /// A line that begins with `=`.
    #[error("no name before '=' in the line at byte {offset}")]
    #[non_exhaustive]
    EmptyName {
        /// Where the line begins.
        offset: usize,
    },
    /// A NUL byte: no Postfix string can hold one.
    #[error("a NUL byte in the line at byte {offset}")]
    #[non_exhaustive]
    Nul {
        /// Where the line begins.
        offset: usize,
    },
    /// A carriage return that is not the last byte before the line feed.
    #[error("a carriage return in the line at byte {offset}")]
    #[non_exhaustive]
    CarriageReturn {
        /// Where the line begins.
        offset: usize,
    },
    /// A response that ends without `action=`.
    #[error("blank line before 'action=' at byte {offset}")]
    #[non_exhaustive]
    NoAction {
        /// Where the blank line begins.
        offset: usize,
    },
    /// An `action=` with nothing, or white space only, behind it.
    #[error("blank action in the line at byte {offset}")]
    #[non_exhaustive]
    BlankAction {
        /// Where the line begins.
        offset: usize,
    },
    /// A line beyond [`Limits::line`](crate::Limits::line).
    #[error("line longer than {limit} bytes")]
    #[non_exhaustive]
    LineTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// A message beyond [`Limits::message`](crate::Limits::message).
    #[error("message longer than {limit} bytes")]
    #[non_exhaustive]
    MessageTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The stream ended within a message.
    #[error("end of the stream within a message")]
    UnexpectedEnd,
}

impl DecodeError {
    /// Where the line at fault begins, in bytes from the first of the message; `None` where it is
    /// the size, or the end of the stream, that is at fault.
    ///
    /// ```
    /// use policy_proto::{DecodeError, MessageDecoder};
    ///
    /// let mut buf = "request=smtpd_access_policy\nsender=\0\n".into();
    /// let error = MessageDecoder::new().request(&mut buf).unwrap_err();
    /// assert_eq!(error.offset(), Some(28));
    /// assert_eq!(DecodeError::UnexpectedEnd.offset(), None);
    /// ```
    #[must_use]
    pub const fn offset(&self) -> Option<usize> {
        match *self {
            Self::NoEquals { offset }
            | Self::EmptyName { offset }
            | Self::Nul { offset }
            | Self::CarriageReturn { offset }
            | Self::NoAction { offset }
            | Self::BlankAction { offset } => Some(offset),
            Self::LineTooLong { .. } | Self::MessageTooLong { .. } | Self::UnexpectedEnd => None,
        }
    }
}

/// Why a [`Request`](crate::Request) cannot be built from these attributes.
///
/// ```
/// use policy_proto::{InvalidAttribute, Request};
///
/// let built = |name, value| Request::from_attributes([(name, value)]).map(|_| ());
/// assert_eq!(built("a=b", ""), Err(InvalidAttribute::Name));
/// assert_eq!(built("a", "b\r"), Err(InvalidAttribute::Value));
/// assert_eq!(Request::from_attributes([("", ""); 0]), Err(InvalidAttribute::None));
/// ```
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum InvalidAttribute {
    /// A name that is empty or holds `=`, NUL, CR or LF.
    #[error("attribute name is empty or holds '=', NUL, CR or LF")]
    Name,
    /// A value that holds NUL, CR or LF.
    #[error("attribute value holds NUL, CR or LF")]
    Value,
    /// No attribute at all: on the wire that would be a blank line, which is no request.
    #[error("a request needs at least one attribute")]
    None,
}

/// Why a [`Response`](crate::Response) cannot be built from this text.
///
/// ```
/// use policy_proto::{Action, InvalidResponse, Response};
///
/// assert_eq!(Response::new(""), Err(InvalidResponse::Blank));
/// let error = Response::try_from(Action::Reject(b"no\nmore")).unwrap_err();
/// assert_eq!(error.to_string(), "NUL, CR or LF in the action at byte 9");
/// ```
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum InvalidResponse {
    /// Nothing, or white space only: Postfix would warn of an empty value and take it for `OK`.
    #[error("blank action")]
    Blank,
    /// NUL, CR or LF: what follows it would be read as something else.
    #[error("NUL, CR or LF in the action at byte {offset}")]
    ControlCharacter {
        /// Where it is in the text.
        offset: usize,
    },
    /// An `action=` line beyond the default [`Limits::line`](crate::Limits::line).
    #[error("action line longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// An [`Action::Status`](crate::Action::Status) without a text, which Postfix would take for
    /// `OK`, or with a code that is neither 4NN nor 5NN.
    #[error("a status needs a code from 400 to 599 and a text")]
    Status,
    /// An action whose text is not what Postfix needs: it would warn, and take it for `DUNNO`.
    #[error("{action} needs {needs}")]
    #[non_exhaustive]
    Incomplete {
        /// The word of access(5).
        action: &'static str,
        /// The part that is missing.
        needs: &'static str,
    },
}

/// Why a text is no [`ActionSet`](crate::ActionSet): the word that begins at this byte is no word of
/// access(5), none of `4xx`, `5xx` and their codes, and no name of a restriction, which begins with a letter and
/// holds letters, digits, `_`, `-` and `.` only. A list without a word is none either.
///
/// ```
/// use policy_proto::ActionSet;
///
/// let error = "ok,6xx".parse::<ActionSet>().unwrap_err();
/// assert_eq!(error.to_string(), "neither an action, nor a code, nor the name of a restriction at byte 3");
/// ```
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
#[error("neither an action, nor a code, nor the name of a restriction at byte {offset}")]
pub struct InvalidActionSet {
    /// Where the word begins.
    pub offset: usize,
}

/// Why a value is not xtext: a `+` at this byte that two hexadecimal digits do not follow.
///
/// ```
/// use policy_proto::xtext;
///
/// let error = xtext::decode(b"a+4").unwrap_err();
/// assert_eq!(error.offset, 1);
/// assert_eq!(error.to_string(), "no two hexadecimal digits after '+' at byte 1");
/// ```
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
#[error("no two hexadecimal digits after '+' at byte {offset}")]
pub struct InvalidXtext {
    /// Where the `+` is.
    pub offset: usize,
}
