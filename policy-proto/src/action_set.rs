//! Which actions a policy server may answer with: the test of an answer against a list of words.

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
mod tests {
    use super::*;

    fn allows(list: &str, answer: &str) -> bool {
        let allowed: ActionSet = list.parse().unwrap();
        allowed.allows(&Response::new(answer.to_owned()).unwrap())
    }

    #[test]
    fn an_answer_is_allowed_as_postfix_reads_it() {
        for (list, answer, allowed) in [
            // A word of access(5) ends at a blank, and its text is free.
            ("reject", "REJECT", true),
            ("Reject", "reject 5.7.1 REDIRECT a@b", true),
            ("reject", "reject\tx", true),
            ("reject", "rejected", false),
            ("reject", "reject_unauth_destination", false),
            ("reject", "redirect a@b", false),
            ("redirect", "REDIRECT a@b", true),
            ("prepend", "PREPEND X: y", true),
            ("bcc", "BCC a@b", true),
            ("filter", "FILTER a:b", true),
            ("hold", "HOLD", true),
            ("info", "INFO x", true),
            ("warn", "WARN x", true),
            ("discard", "DISCARD x", true),
            ("defer", "DEFER_IF_PERMIT x", false),
            ("defer_if_permit", "DEFER_IF_PERMIT x", true),
            ("defer_if_reject", "DEFER_IF_REJECT x", true),
            ("defer", "DEFER", true),
            ("dunno", "dunno whatever", true),
            // What accepts, in all its forms.
            ("ok", "OK, says the text", false),
            ("ok", "OK says the text", true),
            ("ok", "relay", true),
            ("relay", "OK", true),
            ("ok", "12", true),
            ("ok", "450", true),
            ("450,4xx,5xx", "450", false),
            ("dunno", ",", false),
            ("ok", " ,", true),
            // Codes have a text, which may be anything.
            ("4xx", "450 4.7.1 x", true),
            ("4xx", "550 x", false),
            ("5xx", "550\tx", true),
            ("450", "450 x", true),
            ("450", "451 x", false),
            ("4xx", "4xx x", false),
            ("4xx", "450 ", false),
            ("4xx", "4500 x", false),
            // Lists of restrictions: each word.
            ("a,b", "a", true),
            ("a,b", "A b", true),
            ("a,b", "b,a", true),
            ("a,b", ", a\t,,b ,", true),
            ("a,b", "a b c", false),
            ("a", "a, REDIRECT x@y", false),
            ("reject", "reject,permit", false),
            ("reject", "permit,reject", false),
            ("reject,permit", "permit,reject", true),
            ("reject", " reject x", false),
            // To Postfix the others are no restrictions: it would defer all mail.
            ("reject", ",reject", true),
            ("dunno", " DUNNO", false),
            ("dunno", ",dunno", false),
            ("warn,a", "a, warn", false),
            ("450,a", "a 450", false),
            ("a", "a{ b }", false),
            ("a", "{ a }", false),
            ("check_client_access", "check_client_access hash:/x", false),
            ("sleep", "sleep 5", false),
            ("sleep,5xx", "sleep 500", false),
            ("a", "a\x0bb", false),
        ] {
            assert_eq!(allows(list, answer), allowed, "{list}: {answer:?}");
        }
    }

    #[test]
    fn a_list_is_words_codes_and_classes_of_codes() {
        for (list, shown) in [
            ("ok", "ok"),
            ("OK,Reject", "ok,reject"),
            (" ok ,\treject", "ok,reject"),
            ("relay", "ok"),
            ("4XX,5xx,400,599", "4xx,5xx,400,599"),
            ("My_Class.2-x", "my_class.2-x"),
        ] {
            let set: ActionSet = list.parse().unwrap();
            assert_eq!(set.to_string(), shown, "{list}");
        }
        for (list, offset) in [
            ("", 0),
            (" ", 0),
            (",", 0),
            ("ok,", 3),
            ("ok, ,reject", 3),
            ("ok,6xx", 3),
            ("ok,399,x", 3),
            ("600", 0),
            ("4x", 0),
            ("45", 0),
            ("4500", 0),
            ("reject now", 0),
            ("a:b", 0),
            ("{a}", 0),
            ("dunno,r\u{e9}ject", 6),
        ] {
            let error = InvalidActionSet { offset };
            assert_eq!(list.parse::<ActionSet>(), Err(error), "{list}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_never_allowed() {
        let allowed: ActionSet = "dunno".parse().unwrap();
        assert!(!allowed.allows(&Response::new(&b"dunno \xff"[..]).unwrap()));
        assert!(allowed.allows(&Response::new("dunno \u{e9}").unwrap()));
    }
}
