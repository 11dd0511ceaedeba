//! Facts of DNS about a request, before the score is made of them.

use std::collections::HashMap;

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

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Family {
    /// Records of type A.
    V4,
    /// Records of type AAAA.
    V6,
}

/// What DNS has said about the names and the address of a request.
///
/// What was not asked counts as an answer without records.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Each list of `@rhsbl_score`, in its order.
    pub domain_lists: Vec<ListFact>,
    /// The hosts that take mail for a name, in the order of the answer.
    pub exchanges: HashMap<String, Lookup>,
    /// The addresses of a name, IPv6 in full.
    pub addresses: HashMap<(String, Family), Lookup>,
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
        let lookups = self.exchanges.values().chain(self.addresses.values());
        let is_answer = |lookup: &Lookup| matches!(lookup, Lookup::Answer(_));
        self.pointers_answered || lookups.into_iter().any(is_answer)
    }

    pub(super) fn exchanges(&self, name: &str) -> &Lookup {
        self.exchanges.get(name).unwrap_or(&NOTHING)
    }

    pub(super) fn addresses(&self, name: &str, family: Family) -> &Lookup {
        // A key without a copy is not possible with a pair; names are short.
        self.addresses
            .get(&(name.to_owned(), family))
            .unwrap_or(&NOTHING)
    }
}

static NOTHING: Lookup = Lookup::Answer(Vec::new());

/// A name and those above it, as long as they have two labels; names with brackets are left out. At most 16: the
/// longest ones, a peer can have up to 127.
#[must_use]
pub fn with_parents(name: &str) -> Vec<&str> {
    let name = name.trim_end_matches('.');
    let starts = std::iter::once(0).chain(name.match_indices('.').map(|(dot, _)| dot + 1));
    let names = starts
        .filter_map(|start| name.get(start..))
        .filter(|name| name.contains('.'));
    names
        .filter(|name| !name.contains(['[', ']']))
        .take(MAX_NAMES)
        .collect()
}

const MAX_NAMES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            assert_eq!(with_parents(name), expected, "{name}");
        }
        assert_eq!(with_parents(&"a.".repeat(40)).len(), 16);
    }
}
