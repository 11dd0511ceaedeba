//! `RegexList`: whether a value matches one of some regular expressions, from the configuration and from a file.

use std::{path::Path, sync::Arc};

use super::shared::WatchedFile;
use crate::{
    chain::plugin::{Plugin, Step},
    chain::{Call, Chain, Key, Pattern, Scoring, Setting, answer, answer_or_nested, failure},
    config::{Section, Use},
};

#[derive(Debug)]
struct RegexList {
    name: Arc<str>,
    enabled: Setting,
    key: Key,
    key_text: String,
    own: Option<Expression>,
    file: Option<WatchedFile<Vec<Expression>>>,
    invert: bool,
    score: Setting,
    scoring: Scoring,
    action: Setting,
    chain: Option<Chain>,
    result: String,
    done: String,
}

/// An expression with its text.
#[derive(Debug)]
struct Expression {
    text: String,
    pattern: Pattern,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    let name = section.name();
    let pattern = section.pattern("regex");
    let own = pattern.zip(section.text("regex"));
    Box::new(RegexList {
        enabled: section.enabled(),
        key: section.key("key"),
        key_text: section.text("key").unwrap_or_default(),
        own: own.map(|(pattern, text)| Expression { text, pattern }),
        file: file(section),
        invert: section.flag("invert", false),
        score: section.score_setting("score", None),
        scoring: section.scoring(),
        action: section.action_setting("action", None),
        chain: section.chain(),
        result: format!("{name}-result"),
        done: format!("{name}-score"),
        name,
    })
}

fn file(section: &mut Section<'_>) -> Option<WatchedFile<Vec<Expression>>> {
    let path = section.text("file")?;
    match WatchedFile::open(Path::new(&path), read) {
        Ok((file, left_out)) => {
            for text in left_out {
                section.skipped("file", text);
            }
            section.opens("file", path, Use::ReadAgain);
            Some(file)
        }
        Err(error) => {
            section.error("file", format!("`file`: {path}: {error}"));
            None
        }
    }
}

/// An expression a line; empty lines and those that begin with `#` count for nothing. As in the original a line that is no
/// expression is left out.
fn read(path: &Path) -> Result<(Vec<Expression>, Vec<String>), String> {
    let bytes = policy_store::read_file(path, MAX_FILE).map_err(|error| error.to_string())?;
    let (mut expressions, mut left_out) = (Vec::new(), Vec::new());
    for (index, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let text = line.to_owned();
        match Pattern::compile(line) {
            Ok(pattern) => expressions.push(Expression { text, pattern }),
            Err(problem) => {
                let place = format!("{}:{}", path.display(), index + 1);
                left_out.push(format!(
                    "{place} is left out, it is no expression: {problem}"
                ));
            }
        }
    }
    Ok((expressions, left_out))
}

impl RegexList {
    /// The first expression that matches: that of the configuration first.
    fn matching(&self, call: &Call<'_>, value: &str) -> Option<String> {
        let of_file = self.file.as_ref();
        let of_file = of_file.map(|file| file.get(&call.services().journal));
        let of_file = of_file.iter().flat_map(|file| file.iter());
        let mut all = self.own.iter().chain(of_file);
        all.find(|expression| expression.pattern.is_match(value.as_bytes()))
            .map(|expression| expression.text.clone())
    }
}

impl Plugin for RegexList {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        let value = match call.value(&self.key) {
            Ok(value) => value.map(|value| value.into_owned()),
            Err(error) => return failure(error),
        };
        if self.enabled.is_off(call.session()) {
            return answer(None);
        }
        let Some(value) = value else {
            call.note(|| format!("no attribute '{}' in request", self.key_text));
            return answer(None);
        };
        let kept = call.cached(&self.result).unwrap_or_else(|| {
            let found = Vec::from_iter(self.matching(call, &value));
            call.keep(&self.result, &found);
            found
        });
        if kept.is_empty() != self.invert {
            return answer(None);
        }
        call.note(|| format!("{}={value} matched {}", self.key_text, self.name));
        let score = self.score.score(call.session());
        call.add_score_once(&self.scoring, &self.name, score.as_deref(), &self.done);
        let action = self.action.get(call.session()).map(str::to_owned);
        answer_or_nested(action, self.chain.as_ref(), call)
    }

    fn nested(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }
}

/// Far more than a list of expressions has.
const MAX_FILE: u64 = 4 << 20;
