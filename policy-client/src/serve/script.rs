//! The script of a server: rules by attributes and by chance, of which the first that holds counts.

use std::sync::{Mutex, PoisonError};

use clap::ValueEnum;
use fastrand::Rng;
use policy_proto::{Request, Response};
use regex::bytes::Regex;

use super::delay::Delay;
use crate::values::expression::quoted;

/// The way of an answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Manner {
    /// The action
    #[default]
    Answer,
    /// Close the connection without an answer
    Close,
    /// Never answer
    Hang,
    /// `220 hello` and a line feed in place of an answer
    Garbage,
    /// The action, a byte each 20 ms
    Drip,
    /// Reset the connection
    Reset,
    /// The action, and one newline too many
    Newline,
    /// Half of the answer, then close the connection
    Half,
}

/// Rules, and what holds where they say nothing.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) action: Response,
    pub(crate) delay: Delay,
    pub(crate) manner: Manner,
    pub(crate) rules: Vec<Rule>,
    pub(crate) chance: Mutex<Rng>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Rule {
    /// All of them have to be met.
    pub(crate) conditions: Vec<Condition>,
    /// The part of these requests that it holds for, from 0 to 1; all if it is not said.
    pub(crate) share: Option<f64>,
    pub(crate) action: Option<Response>,
    pub(crate) delay: Option<Delay>,
    pub(crate) manner: Option<Manner>,
}

/// An attribute and the value that it is to have.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    name: String,
    value: Expected,
}

#[derive(Clone, Debug)]
enum Expected {
    Exactly(String),
    Matched(Regex),
}

/// What one request gets.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) action: &'a Response,
    pub(crate) delay: std::time::Duration,
    pub(crate) manner: Manner,
}

impl Script {
    pub(crate) fn turn(&self, request: &Request) -> Turn<'_> {
        // A panic under the lock leaves a generator that is as good as before.
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = |rule: &&Rule| {
            rule.conditions
                .iter()
                .all(|condition| condition.holds(request))
                && rule.share.is_none_or(|share| chance.f64() < share)
        };
        let rule = self.rules.iter().find(holds);
        let delay = rule.and_then(|rule| rule.delay.as_ref());
        let delay = delay.unwrap_or(&self.delay);
        Turn {
            action: rule
                .and_then(|rule| rule.action.as_ref())
                .unwrap_or(&self.action),
            delay: delay.draw(&mut chance),
            manner: rule.and_then(|rule| rule.manner).unwrap_or(self.manner),
        }
    }

    /// The longest time that an answer takes.
    pub(crate) fn longest_delay(&self) -> std::time::Duration {
        let delays = self.rules.iter().filter_map(|rule| rule.delay.as_ref());
        let longest = delays.map(Delay::longest).max();
        self.delay.longest().max(longest.unwrap_or_default())
    }

    /// Whether it ever does this.
    pub(crate) fn has(&self, manner: Manner) -> bool {
        self.manner == manner || self.rules.iter().any(|rule| rule.manner == Some(manner))
    }
}

impl Rule {
    /// So many requests fail: `10%`, or in another way than without an answer: `10%:hang`.
    pub(crate) fn failing(text: &str) -> Result<Self, String> {
        let (share, manner) = text.split_once(':').unwrap_or((text, "close"));
        Ok(Self {
            share: Some(parse_share(share)?),
            manner: Some(parse_manner(manner)?),
            ..Self::default()
        })
    }
}

impl Condition {
    /// The value of this attribute: a text, or a regular expression behind `~`.
    pub(crate) fn new(name: &str, value: &str) -> Result<Self, String> {
        Ok(Self {
            name: name.to_owned(),
            value: match value.strip_prefix('~') {
                Some(regex) => Expected::Matched(quoted(regex)?),
                None => Expected::Exactly(value.to_owned()),
            },
        })
    }

    /// `NAME=VALUE` or `NAME=~REGEX`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("'{text}' is neither NAME=VALUE nor NAME=~REGEX"))?;
        Self::new(name, value)
    }

    /// An attribute that is not there is as an empty one.
    fn holds(&self, request: &Request) -> bool {
        let value = request.get(&self.name).unwrap_or_default();
        match &self.value {
            Expected::Exactly(expected) => expected.as_bytes() == value,
            Expected::Matched(regex) => regex.is_match(value),
        }
    }
}

/// `10%` or `0.5%`, as a part of 1.
pub(crate) fn parse_share(text: &str) -> Result<f64, String> {
    let percent = text
        .strip_suffix('%')
        .and_then(|number| number.parse().ok());
    let percent: Option<f64> = percent.filter(|percent| (0.0..=100.0).contains(percent));
    percent
        .map(|percent| percent / 100.0)
        .ok_or_else(|| format!("'{text}' is no share from 0% to 100%"))
}

pub(crate) fn parse_manner(text: &str) -> Result<Manner, String> {
    Manner::from_str(text, false).map_err(|_| {
        let names = Manner::value_variants().iter();
        let names =
            names.filter_map(|manner| Some(manner.to_possible_value()?.get_name().to_owned()));
        format!(
            "'{text}' is none of {}",
            names.collect::<Vec<_>>().join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_first_rule_that_holds_says_what_it_says_and_leaves_the_rest() {
        let rule = |conditions: &[&str], action: &str| Rule {
            conditions: conditions
                .iter()
                .map(|text| Condition::parse(text).unwrap())
                .collect(),
            action: Response::new(action.to_owned()).ok(),
            ..Rule::default()
        };
        let script = script(vec![
            rule(&["sender=a@example", "recipient=~^postmaster@"], "first"),
            rule(&["sender=~@EXAMPLE$"], "case"),
            rule(&["sender=~@example$"], "second"),
            rule(&["helo_name="], "third"),
        ]);
        for (attributes, action) in [
            (
                &[("sender", "a@example"), ("recipient", "postmaster@x")][..],
                "first",
            ),
            (&[("sender", "a@example"), ("recipient", "b@x")], "second"),
            (&[("sender", "x")], "third"),
            (&[("sender", "x"), ("helo_name", "y")], "usual"),
        ] {
            let request = Request::from_attributes(attributes.iter().copied()).unwrap();
            let turn = script.turn(&request);
            assert_eq!(turn.action.as_str(), Some(action), "{attributes:?}");
            assert_eq!(turn.delay, Duration::from_millis(5));
        }
    }

    #[test]
    fn a_share_of_the_requests_fails() {
        let script = script(vec![
            Rule::failing("10%:hang").unwrap(),
            Rule::failing("50%").unwrap(),
        ]);
        let request = Request::from_attributes([("sender", "a")]).unwrap();
        let turns: Vec<_> = (0..10_000).map(|_| script.turn(&request).manner).collect();
        let count = |manner| turns.iter().filter(|turn| **turn == manner).count();
        for (manner, about) in [
            (Manner::Hang, 1000),
            (Manner::Close, 4500),
            (Manner::Answer, 4500),
        ] {
            assert!(
                count(manner).abs_diff(about) < 200,
                "{manner:?}: {}",
                count(manner)
            );
        }
        assert!(script.has(Manner::Hang) && !script.has(Manner::Drip));
    }

    #[test]
    fn what_is_no_rule_is_said_to_be_none() {
        for (text, error) in [
            ("10", "'10' is no share from 0% to 100%"),
            ("101%", "'101%' is no share from 0% to 100%"),
            (
                "10%:sleep",
                "'sleep' is none of answer, close, hang, garbage, drip, reset, newline, half",
            ),
        ] {
            assert_eq!(Rule::failing(text).unwrap_err(), error);
        }
        let error = Condition::parse("sender").unwrap_err();
        assert_eq!(error, "'sender' is neither NAME=VALUE nor NAME=~REGEX");
        assert!(Condition::parse("sender=~(").is_err());
    }

    fn script(rules: Vec<Rule>) -> Script {
        Script {
            action: Response::new("usual").unwrap(),
            delay: Delay::Fixed(Duration::from_millis(5)),
            manner: Manner::Answer,
            rules,
            chance: Mutex::new(Rng::with_seed(1)),
        }
    }
}
