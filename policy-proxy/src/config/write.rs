//! Settings as a configuration file: what a command line says, or all that holds.

use std::fmt::Write;

use clap::Arg;
use policy_ha::Backend;

use super::{reader::is_key, value::is_list};
use crate::options::{Options, Service, Services, default_timeout, mode_name, shown_duration};

mod groups;

/// Settings, to be written as a file.
#[derive(Debug)]
pub struct Settings<'a> {
    /// The options.
    pub options: &'a Options,
    /// Their services.
    pub services: &'a Services,
    /// The long options that there are in this mode.
    pub arguments: Vec<Arg>,
    /// The values that hold.
    pub given: Vec<Given>,
    /// The values that hold where nothing is said.
    pub defaults: Vec<Given>,
    /// For each group: the values that hold for it.
    pub groups: Vec<Vec<Given>>,
}

/// A long option with its value. A flag has none.
pub type Given = (String, Option<Vec<u8>>);

/// Which settings are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Written {
    /// All, each with its default where nothing else is said.
    All,
    /// Those that differ from the default.
    NonDefault,
}

/// The settings as a file.
///
/// # Errors
///
/// A line about a text that no such file can hold.
pub fn written(settings: &Settings<'_>, which: Written) -> Result<String, String> {
    let Settings {
        options, services, ..
    } = settings;
    let is_written = |pair: &&Given| match (which, pair.0.as_str()) {
        (Written::All, _) => true,
        // By default it follows from the number of services.
        (Written::NonDefault, "affinity") => options.common.affinity.is_some(),
        (Written::NonDefault, _) => !settings.defaults.contains(pair),
    };
    let given: Vec<&Given> = settings.given.iter().filter(is_written).collect();
    let mut text = String::new();
    for option in &settings.arguments {
        let name = option.get_long().unwrap_or_default();
        if !is_key(name) {
            continue;
        }
        let of_option = given.iter().filter(|pair| pair.0 == name);
        let values: Vec<_> = of_option
            .map(|pair| pair.1.as_deref())
            .filter(|value| name != "listen" || !groups::is_named(options, *value))
            .collect();
        match setting(option, &values)? {
            Some(value) => _ = writeln!(text, "{name} = {value}"),
            None if which == Written::NonDefault => {}
            None if option.get_action().takes_values() => {
                _ = writeln!(text, "# {name} is not set");
            }
            None => _ = writeln!(text, "{name} = false"),
        }
    }
    for service in &services.valid {
        text += &table(service, which, options.is_daemon)?;
    }
    text += &groups::tables(settings, which)?;
    Ok(text)
}

/// The value of a key, of those that an option has on a command line.
fn setting(option: &Arg, values: &[Option<&[u8]>]) -> Result<Option<String>, String> {
    let name = option.get_long().unwrap_or_default();
    // Of one that is repeated the last one counts, and that of one service stands in its table.
    let of_all = |value: &&&[u8]| name != "keep" || !value.contains(&b'=');
    let given = || values.iter().flatten();
    Ok(if is_list(option) {
        let delimiter = option.get_value_delimiter();
        let parts = given().flat_map(|value| parts(value, delimiter));
        let list: Vec<String> = parts
            .map(|part| string(name, part))
            .collect::<Result<_, _>>()?;
        (!list.is_empty()).then(|| format!("[{}]", list.join(", ")))
    } else if let Some(value) = given().rfind(of_all) {
        Some(if is_number(option) {
            String::from_utf8_lossy(value).into_owned()
        } else {
            string(name, value)?
        })
    } else {
        values.contains(&None).then(|| "true".to_owned())
    })
}

/// The table of a service.
fn table(service: &Service, which: Written, is_daemon: bool) -> Result<String, String> {
    let Service {
        name,
        endpoint,
        backend,
        timeout,
        mode,
        actions,
        keep,
        ..
    } = service;
    let default = Backend::default();
    let all = which == Written::All;
    let mut text = format!("\n[service.{}]\n", key(name)?);
    let address = endpoint.to_string();
    let mut line = |key: &str, value: String, is_default: bool| {
        if all || !is_default {
            _ = writeln!(text, "{key} = {value}");
        }
    };
    line("address", string("address", address.as_bytes())?, false);
    let (priority, weight) = (backend.priority, backend.weight);
    line(
        "priority",
        priority.to_string(),
        priority == default.priority,
    );
    line("weight", weight.to_string(), weight == default.weight);
    let is_default = *timeout == default_timeout(is_daemon);
    line("timeout", quoted(&shown_duration(*timeout)), is_default);
    line(
        "mode",
        quoted(mode_name(*mode)),
        *mode == Default::default(),
    );
    if let Some(keep) = keep {
        line("keep", quoted(&shown_duration(*keep)), false);
    }
    if let Some(actions) = actions {
        line("actions", quoted(&actions.to_string()), false);
    }
    Ok(text)
}

fn parts(value: &[u8], delimiter: Option<char>) -> Vec<&[u8]> {
    match delimiter {
        Some(delimiter) => {
            let parts = value.split(|byte| char::from(*byte) == delimiter);
            parts.collect()
        }
        None => vec![value],
    }
}

/// Whether an option takes a whole number.
fn is_number(option: &Arg) -> bool {
    let names = option.get_value_names();
    names.is_some_and(|names| names.iter().any(|name| name.as_str() == "N"))
}

/// A key: bare, where that is possible.
fn key(name: &[u8]) -> Result<String, String> {
    let shown = String::from_utf8_lossy(name);
    // Not those of ASCII alone: the file is read as characters.
    if shown.chars().any(char::is_control) {
        return Err(format!(
            "service '{shown}' has control characters, which no file may have"
        ));
    }
    let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    if !name.is_empty() && name.iter().all(is_bare) {
        Ok(String::from_utf8_lossy(name).into_owned())
    } else {
        string("service", name)
    }
}

/// A string in quotes.
fn string(name: &str, text: &[u8]) -> Result<String, String> {
    let is_utf8 = str::from_utf8(text);
    let text = is_utf8.map_err(|_| {
        let shown = String::from_utf8_lossy(text).into_owned();
        format!("{name} '{shown}' is not UTF-8, which a file has to be")
    })?;
    Ok(quoted(text))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character.is_control() => {
                _ = write!(quoted, "\\u{:04X}", u32::from(character));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
