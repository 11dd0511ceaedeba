//! `Condition`: looks at one value, and scores, answers or runs a nested chain where it matches.

use crate::{
    chain::plugin::{Plugin, Step},
    chain::{
        Call, Chain, Key, Pattern, Scoring, Setting, answer, answer_or_nested, failure, number,
    },
    config::Section,
};

#[derive(Debug)]
struct Condition {
    name: std::sync::Arc<str>,
    key: Key,
    equal: Option<String>,
    pattern: Option<Pattern>,
    greater: Option<f64>,
    less: Option<f64>,
    invert: bool,
    scoring: Scoring,
    score: Setting,
    action: Setting,
    chain: Option<Chain>,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    let number = |section: &mut Section<'_>, key| section.score(key).map(|score| score.value());
    Box::new(Condition {
        name: section.name(),
        key: section.key("key"),
        equal: section.text("match"),
        pattern: section.pattern("re_match"),
        greater: number(section, "gt_match"),
        less: number(section, "lt_match"),
        invert: section.flag("invert", false),
        scoring: section.scoring(),
        score: section.score_setting("score", None),
        action: section.action_setting("action", None),
        chain: section.chain(),
    })
}

impl Condition {
    /// Each test that is given is an alternative.
    fn matches(&self, value: &str) -> bool {
        let number = || number::parse(value);
        self.equal.as_deref() == Some(value)
            || self
                .pattern
                .as_ref()
                .is_some_and(|pattern| pattern.is_match(value.as_bytes()))
            || self.less.is_some_and(|less| number() < less)
            || self.greater.is_some_and(|greater| number() > greater)
    }
}

impl Plugin for Condition {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        let value = match call.value(&self.key) {
            Ok(value) => value,
            Err(error) => return failure(error),
        };
        // A value that is not there never matches, inverted or not.
        if value.is_none_or(|value| self.matches(&value) == self.invert) {
            return answer(None);
        }
        if let Some(score) = self.score.score(call.session()) {
            call.add_score(&self.scoring, &self.name, &score);
        }
        let action = self.action.get(call.session()).map(str::to_owned);
        answer_or_nested(action, self.chain.as_ref(), call)
    }

    fn nested(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }
}
