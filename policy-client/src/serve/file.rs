//! The file of `--script`: rules in TOML.

use policy_proto::Response;
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{
    delay::Delay,
    script::{Condition, Manner, Rule, parse_manner, parse_share},
};

/// What a file says; the rest is as it would be without.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) action: Option<Response>,
    pub(crate) delay: Option<Delay>,
    pub(crate) manner: Option<Manner>,
    pub(crate) rules: Vec<Rule>,
}

type Key<'i> = Spanned<DeString<'i>>;
type Value<'i> = Spanned<DeValue<'i>>;
/// A byte of the file, and what is wrong there.
type Wrong = (usize, String);

impl File {
    /// Reads a text; an error has the line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let read = DeTable::parse(text).map_err(|error| {
            let at = error.span().unwrap_or_default().start;
            (at, error.message().to_owned())
        });
        read.and_then(|table| Self::of(table.get_ref()))
            .map_err(|(at, message)| {
                let before = text.get(..at).unwrap_or_default();
                format!("line {}: {message}", before.matches('\n').count() + 1)
            })
    }

    fn of(table: &DeTable<'_>) -> Result<Self, Wrong> {
        let mut file = Self::default();
        for (key, value) in table.iter() {
            match key.get_ref().as_ref() {
                "action" => file.action = Some(read(value, action)?),
                "delay" => file.delay = Some(read(value, Delay::parse)?),
                "manner" => file.manner = Some(read(value, parse_manner)?),
                "rule" => {
                    let DeValue::Array(rules) = value.get_ref() else {
                        return Err(wrong(value, "a rule is a table: [[rule]]"));
                    };
                    file.rules = rules.iter().map(rule).collect::<Result<_, _>>()?;
                }
                _ => return Err(unknown(key, "action, delay, manner, rule")),
            }
        }
        Ok(file)
    }
}

fn rule(value: &Value<'_>) -> Result<Rule, Wrong> {
    let DeValue::Table(table) = value.get_ref() else {
        return Err(wrong(value, "a rule is a table: [[rule]]"));
    };
    let mut rule = Rule::default();
    for (key, value) in table.iter() {
        match key.get_ref().as_ref() {
            "when" => {
                let DeValue::Table(table) = value.get_ref() else {
                    return Err(wrong(
                        value,
                        "`when` is a table: { sender = \"a@example.org\" }",
                    ));
                };
                for (name, value) in table.iter() {
                    let condition = |text: &str| Condition::new(name.get_ref(), text);
                    rule.conditions.push(read(value, condition)?);
                }
            }
            "share" => rule.share = Some(read(value, parse_share)?),
            "action" => rule.action = Some(read(value, action)?),
            "delay" => rule.delay = Some(read(value, Delay::parse)?),
            "manner" => rule.manner = Some(read(value, parse_manner)?),
            _ => return Err(unknown(key, "when, share, action, delay, manner")),
        }
    }
    Ok(rule)
}

/// An action as it is given on a command line and in a file.
pub(crate) fn action(text: &str) -> Result<Response, String> {
    Response::new(text.to_owned()).map_err(|error| error.to_string())
}

fn read<T>(value: &Value<'_>, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, Wrong> {
    let DeValue::String(text) = value.get_ref() else {
        return Err(wrong(value, "a text is needed, in quotes"));
    };
    parse(text).map_err(|error| (value.span().start, error))
}

fn wrong(value: &Value<'_>, message: &str) -> Wrong {
    (value.span().start, message.to_owned())
}

fn unknown(key: &Key<'_>, known: &str) -> Wrong {
    let message = format!("'{}' is none of {known}", key.get_ref());
    (key.span().start, message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_has_what_holds_for_all_and_rules_in_their_order() {
        let file = File::parse(
            r#"
            action = "OK"
            delay = "exp:20ms"

            [[rule]]
            when = { sender = "~@example\\.net$", protocol_state = "RCPT" }
            share = "25%"
            action = "DEFER later"

            [[rule]]
            manner = "hang"
            delay = "2s"
            "#,
        );
        let file = file.unwrap();
        assert_eq!(file.action.unwrap().as_str(), Some("OK"));
        assert_eq!(
            file.delay,
            Some(Delay::Exponential(Duration::from_millis(20)))
        );
        assert_eq!(file.manner, None);
        let [first, second] = file.rules.try_into().unwrap();
        assert_eq!((first.conditions.len(), first.share), (2, Some(0.25)));
        assert_eq!(
            (second.manner, second.conditions.len()),
            (Some(Manner::Hang), 0)
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, error) in [
            (
                "\nacton = 'OK'",
                "line 2: 'acton' is none of action, delay, manner, rule",
            ),
            ("action = 5", "line 1: a text is needed, in quotes"),
            (
                "[[rule]]\nwhen = 'x'",
                "line 2: `when` is a table: { sender = \"a@example.org\" }",
            ),
            ("[rule]", "line 1: a rule is a table: [[rule]]"),
            (
                "[[rule]]\n\nshare = '10'",
                "line 3: '10' is no share from 0% to 100%",
            ),
            (
                "[[rule]]\nx = ''",
                "line 2: 'x' is none of when, share, action, delay, manner",
            ),
            ("action = ' '", "line 1: blank action"),
        ] {
            assert_eq!(File::parse(text).unwrap_err(), error, "{text}");
        }
        assert!(File::parse("a = ").unwrap_err().starts_with("line 1: "));
    }
}
