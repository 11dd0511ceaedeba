//! The cases, by group.

use super::case::Case;

mod answer;
mod attributes;
mod connection;
mod many;
mod pieces;
mod stages;
mod state;
mod trouble;

/// A group of cases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) cases: &'static [Case],
    /// Its cases run one after the other, with no others beside: they take all of the server's places, or may end it.
    pub(crate) is_alone: bool,
}

/// All groups, in the order of their numbers from 1.
pub(crate) const GROUPS: &[Group] = &[
    beside("1 The connection", connection::CASES),
    beside("2 Requests in pieces, and several at once", pieces::CASES),
    beside("3 The answer", answer::CASES),
    beside("4 Attributes", attributes::CASES),
    beside("5 Stages and versions of Postfix", stages::CASES),
    beside("6 What is remembered", state::CASES),
    alone("7 Trouble", trouble::CASES),
    alone("8 Many clients", many::CASES),
];

const fn beside(title: &'static str, cases: &'static [Case]) -> Group {
    Group {
        title,
        cases,
        is_alone: false,
    }
}

const fn alone(title: &'static str, cases: &'static [Case]) -> Group {
    Group {
        title,
        cases,
        is_alone: true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn cases_are_numbered_by_group_without_a_gap() {
        for (group, number) in GROUPS.iter().zip(1..) {
            assert!(group.title.starts_with(&format!("{number} ")));
            let expected = (1..=group.cases.len()).map(|case| format!("{number}.{case}"));
            let numbers = group.cases.iter().map(|case| case.number.to_owned());
            assert_eq!(numbers.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn there_are_more_than_sixty_and_each_has_its_own_title_and_a_sentence_behind_it() {
        let cases: Vec<&Case> = GROUPS.iter().flat_map(|group| group.cases).collect();
        assert!(cases.len() >= 60, "{}", cases.len());
        let titles: BTreeSet<_> = cases.iter().map(|case| case.title).collect();
        assert_eq!(titles.len(), cases.len());
        for case in cases {
            assert!(case.source.sentence.len() > 20, "{}", case.number);
        }
    }
}
