//! The comparison of two answers to one request.

use policy_daemon::metrics::ActionClass;
use policy_proto::Response;

/// What came of a request to a mirror.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Compared {
    /// The same action with the same text; the case of the action does not count.
    Same,
    /// Actions that do the same to a mail, with another text.
    Text,
    /// Another action.
    Action,
    /// The mirror has not answered.
    Unanswered,
}

impl Compared {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 4] = [Self::Same, Self::Text, Self::Action, Self::Unanswered];

    pub(crate) fn of(answer: &Response, other: &Response) -> Self {
        let ((action, text), (other_action, other_text)) = (parts(answer), parts(other));
        let is_same_action = action.eq_ignore_ascii_case(other_action);
        if is_same_action && text == other_text {
            return Self::Same;
        }
        let (class, other_class) = (ActionClass::of(Some(answer)), ActionClass::of(Some(other)));
        // In these there are actions of many kinds.
        let is_mixed = matches!(class, ActionClass::Other | ActionClass::Restriction);
        if is_same_action || (class == other_class && !is_mixed) {
            Self::Text
        } else {
            Self::Action
        }
    }

    /// As it is called in metrics and by commands.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Text => "text",
            Self::Action => "action",
            Self::Unanswered => "unanswered",
        }
    }
}

/// The action, and its text without the blanks before it.
fn parts(response: &Response) -> (&[u8], &[u8]) {
    let bytes = response.as_bytes().trim_ascii();
    let end = bytes.iter().position(|byte| byte.is_ascii_whitespace());
    let (action, text) = bytes.split_at(end.unwrap_or(bytes.len()));
    (action, text.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_differ_in_nothing_in_the_text_or_in_the_action() {
        for (one, other, expected) in [
            ("DUNNO", "dunno", Compared::Same),
            ("REJECT  no", "reject no", Compared::Same),
            ("REJECT no", "REJECT No", Compared::Text),
            ("REJECT no", "554 5.7.1 no", Compared::Text),
            ("DEFER x", "450 4.7.1 x", Compared::Text),
            ("DUNNO", "OK", Compared::Action),
            ("DUNNO", "REJECT", Compared::Action),
            ("HOLD", "DISCARD", Compared::Action),
            ("HOLD a", "HOLD b", Compared::Text),
            ("greylist", "reject_unlisted_sender", Compared::Action),
            ("PREPEND X: a", "PREPEND X: b", Compared::Text),
        ] {
            let response = |text: &str| Response::new(text.to_owned()).unwrap();
            for (one, other) in [(one, other), (other, one)] {
                let compared = Compared::of(&response(one), &response(other));
                assert_eq!(compared, expected, "{one} {other}");
            }
        }
    }

    #[test]
    fn the_list_is_in_the_order_of_the_numbers() {
        for (number, compared) in Compared::ALL.into_iter().enumerate() {
            assert_eq!(compared as usize, number, "{compared:?}");
        }
    }
}
