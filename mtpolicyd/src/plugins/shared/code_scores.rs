//! A score that may depend on the codes with which a list has its subject.

use std::net::Ipv4Addr;

use policy_dns::list::Codes;

use crate::{
    chain::{Score, number},
    config::Section,
};

/// One score for all codes, or `CODES: SCORE` with commas between them.
#[derive(Clone, Debug)]
pub(in crate::plugins) enum CodeScores {
    One(Option<Score>),
    ByCode(Vec<(Codes, Score)>),
}

impl CodeScores {
    /// A score in a parameter.
    pub(in crate::plugins) fn read(
        section: &mut Section<'_>,
        key: &str,
        default: Option<&str>,
    ) -> Self {
        let by_code = section.text(key).filter(|text| text.contains(':'));
        let Some(text) = by_code else {
            let score = section.score(key);
            return Self::One(score.or_else(|| default.map(Score::new)));
        };
        let mut scores = Vec::new();
        for item in text.split(',').map(str::trim) {
            match parse(item) {
                Ok(score) => scores.push(score),
                Err(problem) => section.error(key, format!("`{key}`: {problem}")),
            }
        }
        Self::ByCode(scores)
    }

    /// The score for these codes: the sum of all items that have one of them, each once.
    pub(in crate::plugins) fn score(&self, codes: &[Ipv4Addr]) -> Option<Score> {
        let scores = match self {
            Self::One(score) => return score.clone(),
            Self::ByCode(scores) => scores,
        };
        let has_code = |of: &Codes| codes.iter().any(|code| of.contain(*code));
        let found: Vec<_> = scores
            .iter()
            .filter(|(of, _)| has_code(of))
            .map(|(_, score)| score)
            .collect();
        match *found {
            [] => None,
            [one] => Some(one.clone()),
            [..] => {
                let sum = found.iter().map(|score| score.value()).sum();
                Some(Score::new(number::print(sum)))
            }
        }
    }
}

/// `127.0.0.4-7: 4.35`.
fn parse(item: &str) -> Result<(Codes, Score), String> {
    let (codes, score) = item
        .split_once(':')
        .ok_or_else(|| format!("`{item}` is not CODES: SCORE"))?;
    let codes = codes
        .parse()
        .map_err(|error: policy_dns::list::CodesError| error.to_string())?;
    let score = score.trim();
    if number::is_number(score) {
        Ok((codes, Score::new(score)))
    } else {
        Err(format!("`{score}` is no number"))
    }
}
