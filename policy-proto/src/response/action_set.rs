//! Sets of actions that a policy server may answer with: the test of an answer against a list of words.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use crate::{Action, InvalidActionSet, Response};

/// The actions that a policy server may answer with, written as a list of words with commas.
///
/// | word | allows |
/// | --- | --- |
/// | a word of access(5): `ok`, `reject`, `defer_if_permit`, `prepend`, ... | that action with any text |
/// | `4xx`, `5xx` | replies with any such code |
/// | a code: `450` | replies with this code |
/// | any other name | the restriction, or the restriction class, of this name |
///
/// Case does not matter. `ok` also stands for `RELAY` and for a text of digits only, which mean the same
/// to Postfix. A text that begins with no word of access(5) and with no code is to Postfix a list of
/// restrictions, with commas or blanks between them: then each of them has to be allowed. An argument of a
/// restriction, such as the name of a table, never is: give a restriction class a name instead. A word of access(5)
/// that is no restriction is not allowed there, and a text that is not UTF-8 never is: Postfix would take either for
/// an error, and defer all mail.
///
/// The purpose is a server that is not trusted with everything: `REDIRECT` and `BCC` give mail to
/// others, `DISCARD` destroys it, and `OK` skips the restrictions that follow.
///
/// ```
/// use policy_proto::{ActionSet, Response};
///
/// let allowed: ActionSet = "dunno,DEFER_IF_PERMIT,4xx,521,greylist".parse()?;
/// for (text, is_allowed) in [
///     ("DUNNO", true),
///     ("defer_if_permit 4.7.1 try later", true),
///     ("450 4.7.1 try later", true),
///     ("521 go away", true),
///     ("550 go away", false),
///     ("greylist", true),
///     ("REDIRECT thief@example.com", false),
///     ("greylist, permit", false),
/// ] {
///     assert_eq!(allowed.allows(&Response::new(text)?), is_allowed, "{text}");
/// }
/// assert_eq!(allowed.to_string(), "dunno,defer_if_permit,4xx,521,greylist");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ActionSet(Vec<Allowed>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Allowed {
    Codes(RangeInclusive<u16>),
    /// In lower case.
    Word(Box<str>),
}

impl ActionSet {
    /// Whether this answer is one of them, as Postfix would read it ([`Action::parse`]). In linear time,
    /// without allocating.
    ///
    /// ```
    /// use policy_proto::{ActionSet, Response};
    ///
    /// let allowed: ActionSet = "ok, permit_mynetworks, reject".parse()?;
    /// assert!(allowed.allows(&Response::new("permit_mynetworks, reject")?), "each of the list");
    /// assert!(allowed.allows(&Response::new("1234567890")?), "OK to Postfix");
    /// assert!(!allowed.allows(&Response::new("permit_mynetworks, discard")?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn allows(&self, answer: &Response) -> bool {
        if answer.as_str().is_none() {
            // Postfix may not take it, and defers all mail instead.
            return false;
        }
        let action = answer.action();
        match action {
            Action::Status { code, .. } => self.allows_code(code),
            // They mean the same.
            Action::Relay => self.allows_word(OK),
            Action::Other(text) => {
                let mut words = text
                    .split(|byte| matches!(byte, b',' | b' ' | b'\t'))
                    .filter(|word| !word.is_empty())
                    .peekable();
                match words.peek() {
                    // Postfix warns of an empty value, and accepts.
                    None => self.allows_word(OK),
                    Some(_) => words.all(|word| self.allows_restriction(word)),
                }
            }
            action => action
                .keyword()
                .is_some_and(|word| self.allows_word(word.as_bytes())),
        }
    }

    fn allows_restriction(&self, name: &[u8]) -> bool {
        match Action::parse(name) {
            Action::Other(_) => self.allows_word(name),
            // Words of access(5) are no restrictions, but for these: Postfix would defer all mail.
            action => action.keyword().is_some_and(|word| {
                RESTRICTIONS_TOO
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(word))
                    && self.allows_word(word.as_bytes())
            }),
        }
    }

    fn allows_code(&self, code: u16) -> bool {
        let has_code = |allowed: &Allowed| match allowed {
            Allowed::Codes(codes) => codes.contains(&code),
            Allowed::Word(_) => false,
        };
        self.0.iter().any(has_code)
    }

    fn allows_word(&self, word: &[u8]) -> bool {
        let is_word = |allowed: &Allowed| match allowed {
            Allowed::Codes(_) => false,
            Allowed::Word(known) => known.as_bytes().eq_ignore_ascii_case(word),
        };
        self.0.iter().any(is_word)
    }
}

impl FromStr for ActionSet {
    type Err = InvalidActionSet;

    /// Reads a list of words with commas between them; blanks around a word do not count.
    ///
    /// ```
    /// use policy_proto::ActionSet;
    ///
    /// assert!("ok, 4xx, my_class".parse::<ActionSet>().is_ok());
    /// for (list, offset) in [("", 0), ("ok,,reject", 3), ("ok,600", 3), ("reject 5.7.1", 0)] {
    ///     assert_eq!(list.parse::<ActionSet>().unwrap_err().offset, offset, "{list}");
    /// }
    /// ```
    fn from_str(list: &str) -> Result<Self, InvalidActionSet> {
        let mut offset = 0;
        let mut allowed = Vec::new();
        for word in list.split(',') {
            let error = InvalidActionSet { offset };
            allowed.push(Allowed::parse(word.trim_matches([' ', '\t'])).ok_or(error)?);
            offset += word.len() + 1;
        }
        Ok(Self(allowed))
    }
}

impl fmt::Display for ActionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, allowed) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str(",")?;
            }
            match allowed {
                Allowed::Word(word) => f.write_str(word)?,
                Allowed::Codes(codes) if codes.start() == codes.end() => {
                    write!(f, "{}", codes.start())?;
                }
                Allowed::Codes(codes) => write!(f, "{}xx", codes.start() / 100)?,
            }
        }
        Ok(())
    }
}

impl Allowed {
    fn parse(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let is_in_name =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        match word.as_bytes() {
            b"4xx" => Some(Self::Codes(400..=499)),
            b"5xx" => Some(Self::Codes(500..=599)),
            b"relay" => Some(Self::Word("ok".into())),
            [b'4' | b'5', b'0'..=b'9', b'0'..=b'9'] => {
                let code = word.parse().ok()?;
                Some(Self::Codes(code..=code))
            }
            [b'a'..=b'z', rest @ ..] if rest.iter().copied().all(is_in_name) => {
                Some(Self::Word(word.into()))
            }
            _ => None,
        }
    }
}

const OK: &[u8] = b"ok";
/// Words of access(5) that are restrictions of smtpd as well (postconf(5)).
const RESTRICTIONS_TOO: [&str; 4] = ["reject", "defer", "defer_if_permit", "defer_if_reject"];

#[cfg(test)]
mod tests;
