//! The answer that is expected: whole, by its beginning, by a regular expression, or none.

use std::fmt;

use regex::bytes::Regex;

use crate::values::expression::quoted;

/// An expected answer.
#[derive(Clone, Debug)]
pub(crate) enum Expectation {
    /// This action. The case of its first word does not count: it does not to Postfix.
    Whole(Vec<u8>),
    /// An action that begins so; the first word as above.
    Beginning(Vec<u8>),
    /// An action of which a part is matched.
    Match(Regex),
    /// The server closes the connection without one.
    Nothing,
}

impl Expectation {
    /// Reads what stands after `<` in a file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let rest = |mark| text.strip_prefix(mark).map(str::trim_start);
        if let Some(rest) = rest('~') {
            quoted(rest).map(Self::Match)
        } else if let Some(rest) = rest('^') {
            Ok(Self::Beginning(rest.into()))
        } else if text == "-" {
            Ok(Self::Nothing)
        } else {
            match text.trim_start() {
                "" => Err("an expected action is missing after '<'".to_owned()),
                text => Ok(Self::Whole(text.into())),
            }
        }
    }

    /// Whether this answer, or none, is the expected one.
    pub(crate) fn is_met(&self, action: Option<&[u8]>) -> bool {
        match (self, action) {
            (Self::Nothing, action) => action.is_none(),
            (_, None) => false,
            (Self::Whole(whole), Some(action)) => {
                action.len() == whole.len() && begins(action, whole)
            }
            (Self::Beginning(beginning), Some(action)) => begins(action, beginning),
            (Self::Match(expression), Some(action)) => expression.is_match(action),
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(text) => f.write_str(&String::from_utf8_lossy(text)),
            Self::Beginning(text) => write!(f, "{}...", String::from_utf8_lossy(text)),
            Self::Match(expression) => write!(f, "a match of {expression}"),
            Self::Nothing => f.write_str("no answer"),
        }
    }
}

/// Whether an action begins with this, the first word in whatever case.
fn begins(action: &[u8], beginning: &[u8]) -> bool {
    let Some(begin) = action.get(..beginning.len()) else {
        return false;
    };
    let is_blank = |byte: &u8| b" \t".contains(byte);
    let end = beginning.iter().position(is_blank);
    let (word, text) = beginning.split_at(end.unwrap_or(beginning.len()));
    let (begin_word, begin_text) = begin.split_at(word.len());
    begin_word.eq_ignore_ascii_case(word) && begin_text == text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_compared_whole_by_its_beginning_or_by_an_expression() {
        for (expected, action, is_met) in [
            ("DUNNO", Some("dunno"), true),
            ("DUNNO", Some("DUNNO x"), false),
            ("dunno x", Some("DUNNO x"), true),
            ("dunno x", Some("DUNNO X"), false),
            ("^ DEFER", Some("defer_if_permit later"), true),
            (
                "^DEFER_IF_PERMIT 4.2",
                Some("DEFER_IF_PERMIT 4.2.0 later"),
                true,
            ),
            (
                "^DEFER_IF_PERMIT 5",
                Some("DEFER_IF_PERMIT 4.2.0 later"),
                false,
            ),
            ("^DEFER_IF_PERMIT", Some("DEFER"), false),
            ("~ ^(DUNNO|OK)$", Some("OK"), true),
            ("~^(DUNNO|OK)$", Some("OK no"), false),
            ("-", None, true),
            ("-", Some("DUNNO"), false),
            ("DUNNO", None, false),
            ("~.", None, false),
        ] {
            let expectation = Expectation::parse(expected).unwrap();
            let got = expectation.is_met(action.map(str::as_bytes));
            assert_eq!(got, is_met, "{expected}: {action:?}");
        }
    }

    #[test]
    fn an_expectation_that_is_none_is_refused() {
        assert!(Expectation::parse("").is_err());
        assert!(Expectation::parse("~ (").is_err());
    }
}
