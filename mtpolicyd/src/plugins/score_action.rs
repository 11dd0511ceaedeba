//! `ScoreAction`: answers or runs a nested chain where the score is high, or low.

use crate::{
    chain::plugin::{Plugin, PluginError, Step},
    chain::{Call, Chain, Scoring, Setting, answer, answer_or_nested, failure, fill},
    config::Section,
};

#[derive(Debug)]
struct ScoreAction {
    scoring: Scoring,
    threshold: Setting,
    match_: Match,
    action: Option<String>,
    chain: Option<Chain>,
}

#[derive(Clone, Copy, Debug)]
enum Match {
    /// The threshold and above.
    AtLeast,
    /// The threshold and below.
    AtMost,
    /// A word that means neither.
    Unknown,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    _ = section.required("threshold");
    let match_ = match section.text_or("match", "gt").as_str() {
        "gt" => Match::AtLeast,
        "lt" => Match::AtMost,
        other => {
            section.warning(
                "match",
                format!("`match` is `{other}`: each request will fail here, use gt or lt"),
            );
            Match::Unknown
        }
    };
    Box::new(ScoreAction {
        scoring: section.scoring(),
        threshold: section.score_setting("threshold", None),
        match_,
        action: section.action("action"),
        chain: section.chain(),
    })
}

impl Plugin for ScoreAction {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        let score = self.scoring.score(call.session());
        let threshold = self.threshold.number(call.session()).unwrap_or_default();
        let is_met = match self.match_ {
            Match::AtLeast => score >= threshold,
            Match::AtMost => score <= threshold,
            Match::Unknown => {
                return failure(PluginError::other("unknown value for parameter match."));
            }
        };
        if !is_met {
            return answer(None);
        }
        let action = self.action.as_deref().map(|action| {
            let detail = self.scoring.detail(call.session());
            let detail = detail.map_or_else(String::new, |detail| format!(", {detail}"));
            let address = call.text("client_address");
            fill(
                action,
                &[
                    ("%IP%", address.as_deref().unwrap_or("unknown")),
                    ("%SCORE%", self.scoring.text(call.session())),
                    ("%SCORE_DETAIL%", &detail),
                ],
            )
        });
        answer_or_nested(action, self.chain.as_ref(), call)
    }

    fn nested(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }
}
