//! `AddScoreHeader`: adds a header with the score to the mail, once for each mail.

use crate::{
    chain::plugin::{Plugin, Step},
    chain::{Call, Scoring, Setting, answer, number},
    config::Section,
};

#[derive(Debug)]
struct AddScoreHeader {
    scoring: Scoring,
    spam_score: Setting,
    header_name: String,
    done: String,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    let scoring = section.scoring();
    let done = format!("score-{}-tag", scoring.field());
    Box::new(AddScoreHeader {
        scoring,
        spam_score: section.score_setting("spam_score", Some("5")),
        header_name: section.text_or("header_name", "X-MtScore"),
        done,
    })
}

impl Plugin for AddScoreHeader {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        if call.is_done(&self.done) {
            return answer(Some("dunno".to_owned()));
        }
        let session = call.session();
        let score = self.scoring.text(session);
        let threshold = self.spam_score.number(session).unwrap_or_default();
        let is_spam = number::parse(score) >= threshold;
        let detail = self.scoring.detail(session).unwrap_or_default();
        let length = self.header_name.len() + score.len() + detail.len();
        let mut action = String::with_capacity(length + WORDS);
        action += "PREPEND ";
        action += &self.header_name;
        action += if is_spam {
            ": YES score="
        } else {
            ": NO score="
        };
        action += score;
        if !detail.is_empty() {
            action += " [";
            action += detail;
            action += "]";
        }
        answer(Some(action))
    }
}

/// Room for the words between the values.
const WORDS: usize = 32;
