//! The action of a response, as Postfix reads it.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::shown::Shown;
use crate::{InvalidResponse, grammar};

/// An action that a policy server tells Postfix to take: one of access(5), to match and to build.
///
/// The command is compared without case. Its text is optional unless said otherwise, and empty where
/// there is none; behind a rejection it may begin with an enhanced status code, as in
/// `REJECT 5.7.1 text`. A parsed action borrows from its [`Response`](crate::Response).
///
/// ```
/// use policy_proto::Action;
///
/// assert_eq!(Action::parse(b"reject  go away"), Action::Reject(b"go away"));
/// assert_eq!(Action::parse(b"450 4.7.1 wait"), Action::Status { code: 450, text: b"4.7.1 wait" });
/// assert_eq!(Action::parse(b"permit_mynetworks"), Action::Other(b"permit_mynetworks"));
/// ```
///
/// `Display` writes it as Postfix is told it, control characters and what is not UTF-8 escaped; `Debug` shows its text as
/// one:
///
/// ```
/// use policy_proto::Action;
///
/// let action = Action::parse(b"reject  go away");
/// assert_eq!(action.to_string(), "REJECT go away");
/// assert_eq!(format!("{action:?}"), "Reject(\"go away\")");
/// ```
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Action<'a> {
    /// `OK`: accept, and skip the restrictions that follow in this list. A text is ignored. A result
    /// that is all digits means the same.
    Ok,
    /// `RELAY`: an older word for `OK`, to Postfix the same. A text is ignored.
    Relay,
    /// `DUNNO`: no opinion; the next restriction decides. A text is ignored.
    Dunno,
    /// `REJECT`: refuse with `access_map_reject_code` (554).
    Reject(&'a [u8]),
    /// `DEFER`: refuse for now (450).
    Defer(&'a [u8]),
    /// `DEFER_IF_PERMIT`: refuse for now, if a later restriction would permit.
    DeferIfPermit(&'a [u8]),
    /// `DEFER_IF_REJECT`: refuse for now, if a later restriction would reject.
    DeferIfReject(&'a [u8]),
    /// `4NN text`, `5NN text`: refuse with this code. 421 and 521 also disconnect.
    Status {
        /// 400 to 599.
        code: u16,
        /// The text that the client is told. Required.
        text: &'a [u8],
    },
    /// `DISCARD`: claim success and deliver nothing.
    Discard(&'a [u8]),
    /// `HOLD`: put the message into the hold queue.
    Hold(&'a [u8]),
    /// `INFO`: log the text.
    Info(&'a [u8]),
    /// `WARN`: log the text as a warning.
    Warn(&'a [u8]),
    /// `FILTER transport:destination`.
    Filter(&'a [u8]),
    /// `PREPEND Header: value`. Not at END-OF-MESSAGE.
    Prepend(&'a [u8]),
    /// `REDIRECT user@domain`: send the message there instead.
    Redirect(&'a [u8]),
    /// `BCC user@domain`: send a copy there.
    Bcc(&'a [u8]),
    /// Anything else, whole: names of restrictions or restriction classes, which Postfix evaluates.
    Other(&'a [u8]),
}

impl<'a> Action<'a> {
    /// How Postfix reads this text. Total, in linear time, without allocating.
    ///
    /// Source: `check_table_result` in Postfix's `smtpd_check.c`.
    ///
    /// ```
    /// use policy_proto::Action;
    ///
    /// assert_eq!(Action::parse(b"Defer_If_Permit\twait"), Action::DeferIfPermit(b"wait"));
    /// assert_eq!(Action::parse(b"450"), Action::Ok, "all digits");
    /// ```
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Self {
        let (word, rest) = grammar::command(text);
        if let Some(command) = Self::command(word, rest) {
            return command;
        }
        if !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
            return Self::Ok;
        }
        match *word {
            [class @ b'4'..=b'5', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] if !rest.is_empty() => {
                let code = [class, tens, ones]
                    .into_iter()
                    .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
                Self::Status { code, text: rest }
            }
            _ => Self::Other(text),
        }
    }

    /// The action of a word of access(5), in upper or lower case, with what follows it.
    fn command(word: &[u8], text: &'a [u8]) -> Option<Self> {
        let mut upper = [0; LONGEST_WORD];
        let upper = upper.get_mut(..word.len())?;
        upper.copy_from_slice(word);
        upper.make_ascii_uppercase();
        Some(match &*upper {
            b"DUNNO" => Self::Dunno,
            b"OK" => Self::Ok,
            b"RELAY" => Self::Relay,
            b"REJECT" => Self::Reject(text),
            b"DEFER" => Self::Defer(text),
            b"DEFER_IF_PERMIT" => Self::DeferIfPermit(text),
            b"DEFER_IF_REJECT" => Self::DeferIfReject(text),
            b"DISCARD" => Self::Discard(text),
            b"HOLD" => Self::Hold(text),
            b"INFO" => Self::Info(text),
            b"WARN" => Self::Warn(text),
            b"FILTER" => Self::Filter(text),
            b"PREPEND" => Self::Prepend(text),
            b"REDIRECT" => Self::Redirect(text),
            b"BCC" => Self::Bcc(text),
            _ => return None,
        })
    }

    /// The word of access(5) that it begins with; `None` for a code and for what is no such word.
    ///
    /// ```
    /// use policy_proto::Action;
    ///
    /// assert_eq!(Action::parse(b"redirect a@example.com").keyword(), Some("REDIRECT"));
    /// assert_eq!(Action::parse(b"450 wait").keyword(), None);
    /// assert_eq!(Action::parse(b"permit_mynetworks").keyword(), None);
    /// ```
    #[must_use]
    pub const fn keyword(&self) -> Option<&'static str> {
        Some(match self {
            Self::Ok => "OK",
            Self::Relay => "RELAY",
            Self::Dunno => "DUNNO",
            Self::Reject(_) => "REJECT",
            Self::Defer(_) => "DEFER",
            Self::DeferIfPermit(_) => "DEFER_IF_PERMIT",
            Self::DeferIfReject(_) => "DEFER_IF_REJECT",
            Self::Discard(_) => "DISCARD",
            Self::Hold(_) => "HOLD",
            Self::Info(_) => "INFO",
            Self::Warn(_) => "WARN",
            Self::Filter(_) => "FILTER",
            Self::Prepend(_) => "PREPEND",
            Self::Redirect(_) => "REDIRECT",
            Self::Bcc(_) => "BCC",
            Self::Status { .. } | Self::Other(_) => return None,
        })
    }

    /// The part that Postfix needs of its text, and that is missing.
    ///
    /// Source: `check_table_result` in Postfix's `smtpd_check.c`.
    pub(crate) fn check(self) -> Result<(), InvalidResponse> {
        let needs = match self {
            Self::Status { code, text } => {
                let is_status = (400..=599).contains(&code) && !grammar::is_blank(text);
                return is_status.then_some(()).ok_or(InvalidResponse::Status);
            }
            Self::Filter(text) if !text.contains(&b':') => "transport:destination",
            Self::Redirect(text) | Self::Bcc(text) if !text.contains(&b'@') => "user@domain",
            Self::Prepend(text) if !grammar::is_header(text) => "a header, such as 'X-Name: value'",
            _ => return Ok(()),
        };
        let action = self.keyword().unwrap_or_default();
        Err(InvalidResponse::Incomplete { action, needs })
    }

    /// The text after its word, or the whole of an action without one.
    const fn text(self) -> &'a [u8] {
        match self {
            Self::Ok | Self::Relay | Self::Dunno => b"",
            Self::Status { text, .. }
            | Self::Reject(text)
            | Self::Defer(text)
            | Self::DeferIfPermit(text)
            | Self::DeferIfReject(text)
            | Self::Discard(text)
            | Self::Hold(text)
            | Self::Info(text)
            | Self::Warn(text)
            | Self::Filter(text)
            | Self::Prepend(text)
            | Self::Redirect(text)
            | Self::Bcc(text)
            | Self::Other(text) => text,
        }
    }

    /// Appends the action's text, without `action=` and without a line end.
    ///
    /// The text is written as it is: a [`Response`](crate::Response) made of it is where it is checked.
    pub(crate) fn encode(self, out: &mut BytesMut) {
        if let Some(word) = self.keyword() {
            out.put_slice(word.as_bytes());
        }
        match self {
            Self::Other(text) => return out.put_slice(text),
            Self::Status { code, .. } => {
                let digits = [code / 100, code / 10, code];
                // The last digit of each is below ten, so the cast loses nothing.
                out.extend(digits.map(|number| b'0' + (number % 10) as u8));
            }
            _ => {}
        }
        let text = self.text();
        if !text.is_empty() {
            out.put_u8(b' ');
            out.put_slice(text);
        }
    }
}

impl fmt::Display for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        match self {
            Self::Other(_) => return Shown(text).fmt(f),
            Self::Status { code, .. } => write!(f, "{code}")?,
            _ => f.write_str(self.keyword().unwrap_or_default())?,
        }
        if text.is_empty() {
            return Ok(());
        }
        write!(f, " {}", Shown(text))
    }
}

impl fmt::Debug for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text().escape_ascii();
        let name = match self {
            Self::Ok => return f.write_str("Ok"),
            Self::Relay => return f.write_str("Relay"),
            Self::Dunno => return f.write_str("Dunno"),
            Self::Status { code, .. } => {
                return write!(f, "Status {{ code: {code}, text: \"{text}\" }}");
            }
            Self::Reject(_) => "Reject",
            Self::Defer(_) => "Defer",
            Self::DeferIfPermit(_) => "DeferIfPermit",
            Self::DeferIfReject(_) => "DeferIfReject",
            Self::Discard(_) => "Discard",
            Self::Hold(_) => "Hold",
            Self::Info(_) => "Info",
            Self::Warn(_) => "Warn",
            Self::Filter(_) => "Filter",
            Self::Prepend(_) => "Prepend",
            Self::Redirect(_) => "Redirect",
            Self::Bcc(_) => "Bcc",
            Self::Other(_) => "Other",
        };
        write!(f, "{name}(\"{text}\")")
    }
}

/// The longest word of access(5) has as many bytes.
const LONGEST_WORD: usize = b"DEFER_IF_PERMIT".len();
