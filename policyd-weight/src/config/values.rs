//! The check of each value by the table of options. What Perl takes is taken, and said where it counts as something else.

use std::path::Path;

use super::{
    ListOption, Loaded,
    finding::Finding,
    name_servers::name_servers,
    options::{KNOWN, Range, SCORE, Shape},
    seconds,
};
use crate::{
    number,
    perl::{Value, Variables},
    regex::compile,
};

/// Looks at each option's value alone.
pub(super) fn values(loaded: &Loaded, findings: &mut Vec<Finding>) {
    for known in &KNOWN {
        let (sign, name) = known.name.split_at(1);
        if sign == "@" {
            array(
                known.name,
                known.shape,
                loaded.options.array(name),
                findings,
            );
        } else if loaded.options.scalars.contains_key(name) {
            let value = loaded.options.scalar(name);
            let is_default = value == loaded.defaults.scalar(name);
            findings.extend(scalar(known.name, known.shape, value, is_default));
        }
    }
}

/// Whether the value of an option is an error by itself.
pub(super) fn is_wrong(options: &Variables, name: &str) -> bool {
    let mut known = KNOWN
        .iter()
        .filter(|known| known.name.trim_start_matches('$') == name);
    known.any(|known| {
        let findings = scalar(known.name, known.shape, options.scalar(name), false);
        findings.iter().any(Finding::is_error)
    })
}

fn scalar(name: &str, shape: Shape, value: &Value, is_default: bool) -> Vec<Finding> {
    let text = value.to_string();
    let counts_as = |number: f64, meant: &str| {
        let number = number::print(number);
        Finding::warning(
            &[name],
            format!("{name} is '{text}', and counts as {number}: {meant}"),
        )
    };
    let one = match shape {
        Shape::LimitedOrEmpty(_) if text.is_empty() => None,
        Shape::Number(range) | Shape::Limited(range) | Shape::LimitedOrEmpty(range) => {
            of_range(name, shape, value, range)
        }
        Shape::Switch | Shape::Truth => (!matches!(text.as_str(), "0" | "1"))
            .then(|| counts_as(shape.number(value), "write 0 or 1")),
        Shape::Time(otherwise) => (!is_time(&text)).then(|| {
            let counts = match seconds(&text) {
                Some(seconds) => format!("{seconds}s"),
                None => otherwise.to_owned(),
            };
            Finding::warning(&[name], format!(
                "{name} is '{text}', and counts as {counts}: write a whole number and s, m, h or d, as in '3h'"
            ))
        }),
        Shape::TimeWithin(least, most) => {
            let is_within = seconds(&text).is_some_and(|it| (least..=most).contains(&it));
            (!is_time(&text) || !is_within).then(|| {
                Finding::error(&[name], format!(
                    "{name} is '{text}': write a time from {least}s to {most}s, as in '20s'"
                ))
            })
        }
        Shape::Path => path(name, &text),
        Shape::NameServers => {
            let bad = name_servers(&text).1;
            let error = |word| {
                Finding::error(&[name], format!(
                    "{name}: '{word}' is no address of a name server: write addresses with blanks between them, as in '192.0.2.1 [2001:db8::1]:5353'"
                ))
            };
            return bad.into_iter().map(error).collect();
        }
        Shape::Nothing => (!is_default).then(|| {
            Finding::warning(&[name], format!(
                "{name} has no meaning here: see policyd-weight.conf(5)"
            ))
        }),
        _ => None,
    };
    one.into_iter().collect()
}

/// A path that no file has, and one that each directory has a file of its own for.
fn path(name: &str, text: &str) -> Option<Finding> {
    let why = if text.trim().is_empty() {
        "is empty".to_owned()
    } else if text.contains('\0') {
        "has a byte 0, which no path has".to_owned()
    } else if Path::new(text).file_name().is_none() {
        format!("is '{text}', which ends without a name")
    } else if !text.starts_with('/') {
        return Some(Finding::warning(
            &[name],
            format!(
                "{name} is '{text}', which is another file in each directory: begin the path with a /"
            ),
        ));
    } else {
        return None;
    };
    Some(Finding::error(
        &[name],
        format!("{name} {why}: write a path"),
    ))
}

fn of_range(name: &str, shape: Shape, value: &Value, range: Range) -> Option<Finding> {
    let (text, meant) = (value.to_string(), range.meant());
    let number = value.number();
    if !number.is_finite() {
        return Some(Finding::error(
            &[name],
            format!("{name} is '{text}', which is not finite: {meant}"),
        ));
    }
    if is_number(value) && range.contains(number) {
        return None;
    }
    let counts = number::print(shape.number(value));
    Some(Finding::warning(
        &[name],
        format!("{name} is '{text}', and counts as {counts}: {meant}"),
    ))
}

fn array(name: &str, shape: Shape, values: &[Value], findings: &mut Vec<Finding>) {
    match shape {
        Shape::Scores => {
            if values.len() != 2 {
                findings.push(Finding::warning(&[name], format!(
                    "{name} has {} items: write two scores, if it is bad and if it is good; one that is missing counts as 0",
                    values.len()
                )));
            }
            for (value, which) in values.iter().zip(["if it is bad", "if it is good"]) {
                findings.extend(score(name, which, value, false));
            }
        }
        Shape::Lists => {
            if !values.len().is_multiple_of(4) {
                findings.push(Finding::warning(&[name], format!(
                    "{name} has {} items: each list has four, its name, two scores and a name for the log",
                    values.len()
                )));
            }
            for list in values.chunks(4) {
                of_list(name, list, findings);
            }
        }
        Shape::Patterns => {
            for (value, index) in values.iter().zip(1..) {
                let text = value.to_string();
                if let Err(error) = compile(&text) {
                    findings.push(Finding::error(
                        &[name],
                        format!(
                            "{name}: item {index}, '{text}', is no regular expression: {error}"
                        ),
                    ));
                }
            }
        }
        Shape::Pairs => {
            if !values.len().is_multiple_of(2) {
                findings.push(Finding::error(
                    &[name],
                    format!(
                        "{name} has {} items: write a name and a score for each",
                        values.len()
                    ),
                ));
            }
            for pair in values.chunks(2) {
                if let [of, value] = pair {
                    findings.extend(score(name, &format!("of '{of}'"), value, true));
                }
            }
        }
        _ => {}
    }
}

/// A list's scores, and its name in the log, by which items of the score are told apart.
fn of_list(option: &str, list: &[Value], findings: &mut Vec<Finding>) {
    let zone = ListOption::shown_zone(list.first().unwrap_or(&Value::Undefined));
    for (value, which) in list.iter().skip(1).zip(["if listed", "if not listed"]) {
        findings.extend(score(option, &format!("of {zone} {which}"), value, false));
    }
    let Some(name) = list.get(3).map(Value::to_string) else {
        return;
    };
    if name.is_empty() || name.contains([' ', '=', ';', '\n']) {
        findings.push(Finding::warning(
            &[option],
            format!("{option}: '{name}' is the name of {zone} in the log: write a word"),
        ));
    }
}

/// A score of an option: ours are numbers, those of the Perl program count as what they begin with.
fn score(option: &str, which: &str, value: &Value, is_ours: bool) -> Option<Finding> {
    let (text, number, meant) = (value.to_string(), value.number(), SCORE.meant());
    if !SCORE.contains(number) || (is_ours && !is_number(value)) {
        return Some(Finding::error(
            &[option],
            format!("{option}: the score {which} is '{text}': {meant}"),
        ));
    }
    (!is_number(value)).then(|| {
        let counts = number::print(number);
        Finding::warning(
            &[option],
            format!("{option}: the score {which} is '{text}', and counts as {counts}: {meant}"),
        )
    })
}

/// Whether the whole value is a number, and does not only begin with one.
fn is_number(value: &Value) -> bool {
    match value {
        Value::Integer(_) | Value::Float(_) => true,
        Value::Text(text) => {
            let is_word =
                text.contains(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E'));
            !is_word && text.trim().parse::<f64>().is_ok()
        }
        Value::Undefined | Value::Regex(_) => false,
    }
}

/// Whether the whole text is a time, and does not only hold one.
fn is_time(text: &str) -> bool {
    let digits = text.strip_suffix(['s', 'm', 'h', 'd']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
