//! The values of a configuration file, as the words of a command line.

use std::ops::Range;

use clap::{
    Arg, ArgAction, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};
use policy_daemon::ListenAddr;
use policy_proto::ProtocolState;
use policy_socket::Endpoint;
use toml::{Spanned, de::DeValue};

use super::suggest::did_you_mean;
use crate::options::{DefaultAction, Detail, NAME};

/// A value with its place.
pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// What is wrong with a value, and where.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) span: Range<usize>,
    pub(super) label: String,
    pub(super) help: Option<String>,
}

impl Wrong {
    pub(super) fn new(span: Range<usize>, label: impl Into<String>) -> Self {
        Self {
            span,
            label: label.into(),
            help: None,
        }
    }

    fn found(value: &Value<'_>, expected: &str) -> Self {
        let found = kind(value.get_ref());
        Self::new(value.span(), format!("expected {expected}, found {found}"))
    }
}

/// A text, or a number as one.
pub(super) fn text(value: &Value<'_>, expected: &str) -> Result<String, Wrong> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.as_ref().to_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
        _ => Err(Wrong::found(value, expected)),
    }
}

/// A text, or a list of texts.
pub(super) fn texts(
    value: &Value<'_>,
    expected: &str,
) -> Result<Vec<(String, Range<usize>)>, Vec<Wrong>> {
    let DeValue::Array(list) = value.get_ref() else {
        let text = text(value, &format!("{expected} or a list"));
        return text
            .map(|text| vec![(text, value.span())])
            .map_err(|wrong| vec![wrong]);
    };
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for value in list.iter() {
        match text(value, expected) {
            Ok(text) => found.push((text, value.span())),
            Err(error) => wrong.push(error),
        }
    }
    if wrong.is_empty() {
        Ok(found)
    } else {
        Err(wrong)
    }
}

/// An address in the syntax of `--listen`.
pub(super) fn listen_address(value: &Value<'_>) -> Result<(String, Endpoint), Wrong> {
    let address = text(value, "a string")?;
    match address.parse::<ListenAddr>() {
        Ok(listen) => Ok((address, listen.endpoint)),
        Err(error) => Err(Wrong::new(value.span(), error.to_string())),
    }
}

/// A list that is not empty.
pub(super) fn list(
    value: &Value<'_>,
    expected: &str,
) -> Result<Vec<(String, Range<usize>)>, Vec<Wrong>> {
    let found = texts(value, expected)?;
    if found.is_empty() {
        let label = "an empty list takes no request: leave the key out to take each one";
        return Err(vec![Wrong::new(value.span(), label)]);
    }
    Ok(found)
}

/// Values of `protocol_state` in the case in which Postfix writes them.
pub(super) fn states(
    found: Vec<(String, Range<usize>)>,
) -> Result<Vec<(String, Range<usize>)>, Vec<Wrong>> {
    let (mut states, mut wrong) = (Vec::new(), Vec::new());
    for (text, span) in found {
        let upper = text.to_ascii_uppercase();
        if ProtocolState::parse(upper.as_bytes()).is_some() {
            states.push((upper, span));
        } else {
            let mut fault = Wrong::new(span, "no protocol state of Postfix");
            fault.help = did_you_mean(&upper, STATES);
            wrong.push(fault);
        }
    }
    if wrong.is_empty() {
        Ok(states)
    } else {
        Err(wrong)
    }
}

/// The value of a long option, as words of a command line, each with its place.
pub(super) fn words(
    command: &mut Command,
    option: &Arg,
    value: &Value<'_>,
) -> Result<Vec<(String, Range<usize>)>, Vec<Wrong>> {
    let name = option.get_long().unwrap_or_default();
    if !option.get_action().takes_values() {
        return match value.get_ref() {
            DeValue::Boolean(true) => Ok(vec![(format!("--{name}"), value.span())]),
            DeValue::Boolean(false) => Ok(Vec::new()),
            DeValue::String(_) | DeValue::Array(_) if name == "verbose" => categories(value),
            _ => Err(vec![Wrong::found(value, "`true` or `false`")]),
        };
    }
    let expected = expected(option);
    let texts = if is_list(option) {
        texts(value, expected)?
    } else {
        let text = text(value, expected).map_err(|wrong| vec![wrong])?;
        vec![(text, value.span())]
    };
    let wrong: Vec<Wrong> = texts
        .iter()
        .filter_map(|(text, span)| refused(command, name, text, span))
        .collect();
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let words = texts.into_iter();
    let words = words.map(|(text, span)| (format!("--{name}={text}"), span));
    Ok(words.collect())
}

/// The categories of `verbose`, as words of a command line.
fn categories(value: &Value<'_>) -> Result<Vec<(String, Range<usize>)>, Vec<Wrong>> {
    let texts = texts(value, "a category")?.into_iter();
    let words = texts.map(|(text, span)| match text.parse::<Detail>() {
        Ok(_) => Ok((format!("--verbose={text}"), span)),
        Err(error) => Err(vec![Wrong::new(span, error.to_string())]),
    });
    words.collect()
}

/// What the option itself has against a value.
fn refused(command: &mut Command, name: &str, text: &str, span: &Range<usize>) -> Option<Wrong> {
    if name == "default" {
        let error = DefaultAction::parse(text.as_bytes()).err()?;
        return Some(Wrong::new(span.clone(), error.to_string()));
    }
    if name == "keep" && text.contains('=') {
        let help = "the time of one service is `keep` in its table";
        let mut wrong = Wrong::new(span.clone(), "not a duration such as \"60s\"");
        wrong.help = Some(help.to_owned());
        return Some(wrong);
    }
    let parsed = command.try_get_matches_from_mut([NAME.to_owned(), format!("--{name}={text}")]);
    let error = parsed.err()?;
    match error.kind() {
        ErrorKind::ValueValidation => {
            let source = std::error::Error::source(&error);
            let reason = source.map_or_else(|| error.to_string(), ToString::to_string);
            Some(Wrong::new(span.clone(), reason))
        }
        ErrorKind::InvalidValue => {
            let known = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(known)) => known.as_slice(),
                _ => &[],
            };
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let label = match known.as_slice() {
                [] => "must not be empty".to_owned(),
                known => format!("neither `{}`", known.join("` nor `")),
            };
            let mut wrong = Wrong::new(span.clone(), label);
            wrong.help = did_you_mean(text, known);
            Some(wrong)
        }
        // It is looked at with all the others.
        _ => None,
    }
}

/// Whether an option has a list of values. Of `--keep` those of single services stand in their tables.
pub(super) fn is_list(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Append) && option.get_long() != Some("keep")
}

/// The kind of value that an option takes.
fn expected(option: &Arg) -> &'static str {
    let name = option.get_value_names().and_then(|names| names.first());
    match name.map(clap::builder::Str::as_str) {
        Some("N") => "a whole number",
        Some(name) if name.ends_with("DURATION") => "a duration such as \"10s\"",
        Some("SIZE") => "a size such as \"128K\"",
        _ => "a string",
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// As Postfix writes them.
const STATES: [&str; 9] = [
    "CONNECT",
    "EHLO",
    "HELO",
    "MAIL",
    "RCPT",
    "DATA",
    "END-OF-MESSAGE",
    "VRFY",
    "ETRN",
];
