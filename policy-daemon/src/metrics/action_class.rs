//! The classes of actions in the metrics: few, whatever a server answers with.

use policy_proto::{Action, Response};

/// A class of actions.
///
/// ```
/// use policy_daemon::metrics::ActionClass;
/// use policy_proto::Response;
///
/// let response = Response::new("554 5.7.1 no")?;
/// assert_eq!(ActionClass::of(Some(&response)).name(), "reject");
/// assert_eq!(ActionClass::of(None).name(), "close");
/// # Ok::<(), policy_proto::InvalidResponse>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ActionClass {
    /// `DUNNO`.
    Dunno,
    /// `OK`, `RELAY`, `PERMIT`, or a number.
    Ok,
    /// `REJECT`, or a code 5xx.
    Reject,
    /// `DEFER` and its kin, or a code 4xx.
    Defer,
    /// `PREPEND`.
    Prepend,
    /// What mail is done with: `HOLD`, `DISCARD`, `REDIRECT`, `FILTER`, `BCC`, and so on.
    Other,
    /// Names of restrictions, and what Postfix does not know.
    Restriction,
    /// No answer: the connection was closed.
    Close,
}

impl ActionClass {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Dunno,
        Self::Ok,
        Self::Reject,
        Self::Defer,
        Self::Prepend,
        Self::Other,
        Self::Restriction,
        Self::Close,
    ];

    /// The class of a reply, or of none.
    #[inline]
    #[must_use]
    pub fn of(response: Option<&Response>) -> Self {
        let Some(response) = response else {
            return Self::Close;
        };
        // Most answers by far, and so no more than a comparison.
        match response.as_bytes().split_at_checked(b"dunno".len()) {
            Some((b"DUNNO" | b"dunno", [] | [b' ' | b'\t', ..])) => Self::Dunno,
            _ => Self::of_rarer(response),
        }
    }

    #[cold]
    fn of_rarer(response: &Response) -> Self {
        match response.action() {
            Action::Dunno => Self::Dunno,
            Action::Ok | Action::Relay => Self::Ok,
            Action::Reject(_) => Self::Reject,
            Action::Status { code, .. } if code >= 500 => Self::Reject,
            Action::Status { .. }
            | Action::Defer(_)
            | Action::DeferIfPermit(_)
            | Action::DeferIfReject(_) => Self::Defer,
            Action::Prepend(_) => Self::Prepend,
            Action::Other(text) if text.eq_ignore_ascii_case(b"permit") => Self::Ok,
            Action::Other(_) => Self::Restriction,
            _ => Self::Other,
        }
    }

    /// Its name, as a label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dunno => "dunno",
            Self::Ok => "ok",
            Self::Reject => "reject",
            Self::Defer => "defer",
            Self::Prepend => "prepend",
            Self::Other => "other",
            Self::Restriction => "restriction",
            Self::Close => "close",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_a_class() {
        for (text, class) in [
            ("dunno", ActionClass::Dunno),
            ("DUNNO", ActionClass::Dunno),
            ("dunno text", ActionClass::Dunno),
            ("DUNNO\ttext", ActionClass::Dunno),
            ("dunnotext", ActionClass::Restriction),
            ("OK", ActionClass::Ok),
            ("permit", ActionClass::Ok),
            ("1234", ActionClass::Ok),
            ("reject no", ActionClass::Reject),
            ("554 5.7.1 no", ActionClass::Reject),
            ("450 4.7.1 later", ActionClass::Defer),
            ("defer_if_permit later", ActionClass::Defer),
            ("DEFER", ActionClass::Defer),
            ("prepend X-A: b", ActionClass::Prepend),
            ("hold", ActionClass::Other),
            ("greylist", ActionClass::Restriction),
        ] {
            let response = Response::new(text).unwrap();
            assert_eq!(ActionClass::of(Some(&response)), class, "{text}");
        }
        assert_eq!(ActionClass::of(None), ActionClass::Close);
    }

    #[test]
    fn the_list_is_in_the_order_of_the_numbers() {
        for (number, class) in ActionClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, number, "{class:?}");
        }
    }
}
