//! Facts of DNS about a request, before the score is made of them.

use std::collections::BTreeMap;

use policy_dns::list::{ListError, Skipped};

/// What a list has said.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ListFact {
    /// It is listed. The sum that other checks count with has lists only that have passed their test.
    Listed {
        /// Whether the list has passed its test.
        is_trusted: bool,
    },
    /// It is not listed.
    #[default]
    NotListed,
    /// The list did not answer, or in a way that counts as none.
    Error(ListError),
    /// The list was not asked: it is dead, failed its test, or too many questions.
    Skipped(Skipped),
    /// The client has no address that a list could be asked for.
    NoAddress,
}

/// What came of a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Lookup {
    /// These records; none if there are none.
    Answer(Vec<String>),
    /// No answer, or a failure.
    Failed,
}

impl Default for Lookup {
    fn default() -> Self {
        Self::Answer(Vec::new())
    }
}

/// The addresses of a name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Addresses {
    /// Records of type A.
    pub v4: Lookup,
    /// Records of type AAAA, in full.
    pub v6: Lookup,
}

/// What DNS has said about the names and the address of a request.
///
/// What was not asked counts as an answer without records.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Each list of `@rhsbl_score`, in its order.
    pub domain_lists: Vec<ListFact>,
    /// The hosts that take mail for a name, in the order of the answer.
    pub exchanges: BTreeMap<String, Lookup>,
    /// The addresses of names.
    pub addresses: BTreeMap<String, Addresses>,
    /// The names of the client's address, in lower case, without a dot at the end.
    pub pointers: Vec<String>,
    /// Whether the question for these was answered, also that there are none.
    pub pointers_answered: bool,
    /// The result of SPF, if it has a score.
    pub spf: Option<String>,
    /// The client's country, if it has a score.
    pub country: Option<String>,
}

impl Facts {
    /// Whether any question about names and the address was answered.
    pub(super) fn any_answer(&self) -> bool {
        let of_names = self.addresses.values().flat_map(|of| [&of.v4, &of.v6]);
        let mut lookups = self.exchanges.values().chain(of_names);
        let is_answer = |lookup: &Lookup| matches!(lookup, Lookup::Answer(_));
        self.pointers_answered || lookups.any(is_answer)
    }

    pub(super) fn exchanges(&self, name: &str) -> &Lookup {
        self.exchanges.get(name).unwrap_or(&NOTHING)
    }

    /// IPv4 and IPv6.
    pub(super) fn addresses(&self, name: &str) -> [&Lookup; 2] {
        let of_name = self.addresses.get(name);
        of_name.map_or([&NOTHING; 2], |of| [&of.v4, &of.v6])
    }
}

static NOTHING: Lookup = Lookup::Answer(Vec::new());

/// A name and those above it, as long as they have two labels; names with brackets are left out. At most 16: the
/// longest ones, a peer can have up to 127.
#[must_use]
pub fn with_parents(name: &str) -> Vec<&str> {
    let name = name.trim_end_matches('.');
    let last = |of: &[u8]| name.bytes().rposition(|byte| of.contains(&byte));
    let (last_dot, last_bracket) = (last(b"."), last(b"[]"));
    let dots = name.bytes().enumerate().filter(|(_, byte)| *byte == b'.');
    let starts = std::iter::once(0).chain(dots.map(|(dot, _)| dot + 1));
    starts
        .filter(|start| last_dot.is_some_and(|dot| *start <= dot))
        .filter(|start| last_bracket.is_none_or(|bracket| *start > bracket))
        .filter_map(|start| name.get(start..))
        .take(MAX_NAMES)
        .collect()
}

const MAX_NAMES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_that_was_answered_is_an_answer() {
        fn failed() -> Facts {
            let addresses = Addresses {
                v4: Lookup::Failed,
                v6: Lookup::Failed,
            };
            Facts {
                exchanges: [("acme.test".to_owned(), Lookup::Failed)].into(),
                addresses: [("acme.test".to_owned(), addresses)].into(),
                ..Facts::default()
            }
        }
        assert!(!failed().any_answer());
        let answers: [fn(&mut Facts); 4] = [
            |facts| facts.pointers_answered = true,
            |facts| {
                drop(
                    facts
                        .exchanges
                        .insert("acme.test".to_owned(), Lookup::default()),
                )
            },
            |facts| facts.addresses.get_mut("acme.test").unwrap().v4 = Lookup::default(),
            |facts| facts.addresses.get_mut("acme.test").unwrap().v6 = Lookup::default(),
        ];
        for answer in answers {
            let mut facts = failed();
            answer(&mut facts);
            assert!(facts.any_answer(), "{facts:?}");
        }
    }

    #[test]
    fn names_have_parents_down_to_two_labels() {
        for (name, expected) in [
            (
                "a.b.acme.test",
                &["a.b.acme.test", "b.acme.test", "acme.test"][..],
            ),
            ("acme.test.", &["acme.test"]),
            ("localhost", &[]),
            ("", &[]),
            ("[192.0.2.1]", &[]),
            ("192.0.2.1", &["192.0.2.1", "0.2.1", "2.1"]),
            ("[a].acme.test", &["acme.test"]),
            ("a..test", &["a..test", ".test"]),
        ] {
            assert_eq!(with_parents(name), expected, "{name}");
        }
        assert_eq!(with_parents(&"a.".repeat(40)).len(), 16);
    }
}
