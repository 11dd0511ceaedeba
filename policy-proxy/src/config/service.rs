//! The table of a service, `[service.NAME]`, as the words of a command line.

use std::{ops::Range, time::Duration};

use policy_daemon::command_line::parse_duration;
use policy_proto::ActionSet;
use toml::{
    Spanned,
    de::{DeString, DeTable},
};

use super::{
    suggest::did_you_mean,
    value::{Value, Wrong, text, texts},
};
use crate::options::Service;

/// A fault of a table, and its title.
pub(super) type Fault = (String, Wrong);

/// The words that say what this table does. A key that `is_at_top` stands in the wrong place.
pub(super) fn words(
    name: &Spanned<DeString<'_>>,
    table: &DeTable<'_>,
    is_at_top: impl Fn(&str) -> bool,
) -> Result<Vec<String>, Vec<Fault>> {
    let mut faults = Vec::new();
    let shown = name.get_ref().as_ref();
    let whole = || format!("invalid service `{shown}`");
    let mut fields = Fields::default();
    for (key, value) in table.iter() {
        let known = key.get_ref().as_ref();
        let result = match known {
            "address" => address(value).map(|address| fields.address = address),
            "priority" => number(value, 0..=65_535).map(|number| fields.priority = number),
            "weight" => number(value, 1..=1000).map(|number| fields.weight = number),
            "timeout" => timeout(value).map(|(timeout, _)| fields.timeout = timeout),
            "mode" => mode(value).map(|mode| fields.others.push(("mode", mode))),
            "keep" => keep(value).map(|keep| fields.others.push(("keep", keep))),
            "actions" => actions(value).map(|list| fields.others.push(("actions", list))),
            _ => {
                let mut wrong = Wrong::new(key.span(), "no key of a service");
                wrong.help = did_you_mean(known, KEYS).or_else(|| {
                    is_at_top(known)
                        .then(|| format!("`{known}` stands at the top, before all tables"))
                });
                let title = format!("unknown key `{known}` of service `{shown}`");
                faults.push((title, wrong));
                continue;
            }
        };
        if let Err(wrong) = result {
            let title = format!("invalid `{known}` of service `{shown}`");
            faults.push((title, wrong));
        }
    }
    if !table.iter().any(|(key, _)| key.get_ref() == "address") {
        let label = "it has no `address`, such as \"127.0.0.1:10031\" or \"unix:/path\"";
        faults.push((whole(), Wrong::new(name.span(), label)));
    }
    if shown.is_empty() || shown.contains('=') {
        let label = "the name of a service is not empty and has no `=`";
        faults.push((whole(), Wrong::new(name.span(), label)));
    } else if shown.chars().any(char::is_control) {
        let label = "the name of a service has no control characters";
        faults.push((whole(), Wrong::new(name.span(), label)));
    }
    if faults.is_empty() {
        Ok(fields.words(shown))
    } else {
        Err(faults)
    }
}

#[derive(Default)]
struct Fields {
    address: String,
    priority: String,
    weight: String,
    timeout: String,
    others: Vec<(&'static str, String)>,
}

impl Fields {
    fn words(self, name: &str) -> Vec<String> {
        let Self {
            address,
            priority,
            weight,
            timeout,
            others,
        } = self;
        let service = format!("--service={name}={address}:{priority}:{weight}:{timeout}");
        let others = others.into_iter();
        let others = others.map(|(option, value)| format!("--{option}={name}={value}"));
        [service].into_iter().chain(others).collect()
    }
}

pub(super) fn address(value: &Value<'_>) -> Result<String, Wrong> {
    let address = text(value, "a string")?;
    let wrong = |label: String| Wrong::new(value.span(), label);
    let service = Service::parse(format!("x={address}"), Duration::MAX);
    let service = service.map_err(|error| wrong(error.to_string()))?;
    if service.is_bare() && !address.ends_with(':') {
        Ok(address)
    } else {
        let mut wrong = wrong("more than an address".to_owned());
        wrong.help = Some("`priority`, `weight` and `timeout` are keys of their own".to_owned());
        Err(wrong)
    }
}

fn number(value: &Value<'_>, range: std::ops::RangeInclusive<u16>) -> Result<String, Wrong> {
    let text = text(value, "a whole number")?;
    match text.parse::<u16>() {
        Ok(number) if range.contains(&number) => Ok(number.to_string()),
        _ => {
            let label = format!("not {} to {}", range.start(), range.end());
            Err(Wrong::new(value.span(), label))
        }
    }
}

fn duration(value: &Value<'_>) -> Result<(String, Duration), Wrong> {
    let text = text(value, "a duration such as \"10s\"")?;
    let time = parse_duration(&text).map_err(|label| Wrong::new(value.span(), label))?;
    Ok((text, time))
}

pub(super) fn timeout(value: &Value<'_>) -> Result<(String, Duration), Wrong> {
    let (text, time) = duration(value)?;
    if (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&time) {
        Ok((text, time))
    } else {
        Err(Wrong::new(value.span(), "not 100ms to 3600s"))
    }
}

fn keep(value: &Value<'_>) -> Result<String, Wrong> {
    duration(value).map(|(text, _)| text)
}

fn mode(value: &Value<'_>) -> Result<String, Wrong> {
    let text = text(value, "a string")?;
    if MODES.contains(&text.as_str()) {
        return Ok(text);
    }
    let label = format!("neither `{}`", MODES.join("` nor `"));
    let mut wrong = Wrong::new(value.span(), label);
    wrong.help = did_you_mean(&text, MODES);
    Err(wrong)
}

/// A list of texts is one text with commas between.
fn actions(value: &Value<'_>) -> Result<String, Wrong> {
    let last = |mut wrong: Vec<Wrong>| {
        let last = wrong.pop();
        last.unwrap_or_else(|| Wrong::new(value.span(), "not a list of strings"))
    };
    let texts = texts(value, "a string").map_err(last)?;
    for (text, span) in &texts {
        let one: Result<ActionSet, _> = text.parse();
        one.map_err(|error| Wrong::new(Range::clone(span), error.to_string()))?;
    }
    let texts: Vec<String> = texts.into_iter().map(|(text, _)| text).collect();
    if texts.is_empty() {
        return Err(Wrong::new(
            value.span(),
            "without an action it could answer nothing",
        ));
    }
    Ok(texts.join(","))
}

/// The keys of a service.
pub(super) const KEYS: [&str; 7] = [
    "address", "priority", "weight", "timeout", "mode", "keep", "actions",
];
const MODES: [&str; 3] = ["enabled", "drain", "disabled"];
