//! The outcome of a request, and its kind: the action's word, without its text.

use std::{borrow::Cow, time::Duration};

use policy_daemon::log::printable;
use policy_proto::Action;

use crate::{exchange::Exchange, input::capture::Facts};

/// An action, or why there is none.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) result: Result<Vec<u8>, String>,
    /// Unknown of some that were recorded.
    pub(super) elapsed: Option<Duration>,
    /// What came besides the answer, as text.
    pub(super) excess: Option<String>,
    /// What is unusual about the answer.
    pub(super) unusual: Option<String>,
}

impl Outcome {
    /// What was recorded; `None` where that was nothing.
    pub(super) fn recorded(facts: &Facts) -> Option<Self> {
        let result = match (&facts.action, &facts.error) {
            (Some(action), _) => Ok(action.clone()),
            (None, Some(error)) => Err(error.clone()),
            (None, None) => return None,
        };
        let elapsed = facts.elapsed;
        Some(Self {
            result,
            elapsed,
            excess: None,
            unusual: None,
        })
    }

    /// The word of the action, in capitals; a code; or that there is no answer.
    pub(super) fn kind(&self) -> String {
        let Ok(action) = &self.result else {
            return NO_ANSWER.to_owned();
        };
        match Action::parse(action) {
            Action::Status { code, .. } => code.to_string(),
            action => match action.keyword() {
                Some(word) => word.to_owned(),
                // Names of restrictions are few, but whatever comes may be anything.
                None => "other".to_owned(),
            },
        }
    }

    /// Whether Postfix does the same: the text of an action that ignores it does not count.
    pub(super) fn is_like(&self, other: &Self, ignore_text: bool) -> bool {
        if self.kind() != other.kind() {
            return false;
        }
        match (&self.result, &other.result) {
            (Ok(one), Ok(other)) => {
                let (one, other) = (Action::parse(one), Action::parse(other));
                ignore_text && !matches!(one, Action::Other(_)) || one == other
            }
            _ => true,
        }
    }

    /// One line.
    pub(super) fn text(&self) -> String {
        match &self.result {
            Ok(action) => printable(action),
            Err(error) => format!("({})", printable(error)),
        }
    }
}

impl From<Exchange> for Outcome {
    fn from(exchange: Exchange) -> Self {
        let excess = exchange.shown_excess().map(Cow::into_owned);
        let unusual = exchange.unusual();
        let result = match exchange.answer {
            Ok(answer) => Ok(answer.action.into_owned()),
            Err(failure) => Err(failure.to_string()),
        };
        Self {
            result,
            elapsed: Some(exchange.elapsed),
            excess,
            unusual,
        }
    }
}

/// The kind of what is none.
pub(super) const NO_ANSWER: &str = "no answer";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_differ_where_postfix_does_something_else() {
        let outcome = |text: &str| Outcome {
            result: if text.is_empty() {
                Err("closed".to_owned())
            } else {
                Ok(text.into())
            },
            elapsed: None,
            excess: None,
            unusual: None,
        };
        for (one, other, with_text, without) in [
            ("DUNNO", "dunno", true, true),
            ("DUNNO a", "DUNNO b", true, true),
            ("REJECT", "REJECT no", false, true),
            ("reject  no", "REJECT no", true, true),
            ("450 4.2.0 wait", "450 4.2.0 wait more", false, true),
            ("450 x", "451 x", false, false),
            ("DUNNO", "OK", false, false),
            (
                "permit_mynetworks",
                "permit_sasl_authenticated",
                false,
                false,
            ),
            ("DUNNO", "", false, false),
            ("", "", true, true),
        ] {
            let (one, other) = (outcome(one), outcome(other));
            assert_eq!(one.is_like(&other, false), with_text, "{one:?} {other:?}");
            assert_eq!(one.is_like(&other, true), without, "{one:?} {other:?}");
        }
    }
}
