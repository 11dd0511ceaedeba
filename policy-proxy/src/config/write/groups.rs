//! Groups, listeners with names and routes as tables of a configuration file.

use std::fmt::Write;

use clap::Arg;
use policy_flow::Route;

use super::{Given, Settings, Written, key, quoted, setting, string};
use crate::{
    config::tables::GROUP_OPTIONS,
    options::{DefaultAction, Group, MirrorOptions, NamedListener, Options, shown_duration},
};

/// Whether an address is that of a listener with a name, which has a table.
pub(super) fn is_named(options: &Options, address: Option<&[u8]>) -> bool {
    let mut listeners = options.groups.listeners.iter();
    listeners.any(|listener| Some(listener.address.as_bytes()) == address)
}

/// The tables.
pub(super) fn tables(settings: &Settings<'_>, which: Written) -> Result<String, String> {
    let options = settings.options;
    let groups = &options.groups;
    let mut text = String::new();
    for (group, given) in groups.list.iter().zip(&settings.groups) {
        text += &of_group(group, given, &settings.arguments, which)?;
    }
    for listener in &groups.listeners {
        text += &of_listener(listener, &groups.list)?;
    }
    for route in &groups.routes {
        text += &of_route(route, options);
    }
    for mirror in &groups.mirrors {
        text += &of_mirror(mirror, which)?;
    }
    Ok(text)
}

/// A group with what differs from the settings of all, or with all that holds for it.
fn of_group(
    group: &Group,
    given: &[Given],
    arguments: &[Arg],
    which: Written,
) -> Result<String, String> {
    let name = key(group.name.as_bytes())?;
    let services = list(&group.services);
    let mut text = format!("\n[group.{name}]\nservices = {services}\n");
    let is_shown = |option: &&Arg| {
        let name = option.get_long().unwrap_or_default();
        GROUP_OPTIONS.contains(&name)
            && (which == Written::All || group.own.iter().any(|own| own == name))
    };
    for option in arguments.iter().filter(is_shown) {
        let name = option.get_long().unwrap_or_default();
        let of_option = given.iter().filter(|(other, _)| other == name);
        let values: Vec<_> = of_option.map(|(_, value)| value.as_deref()).collect();
        if let Some(value) = setting(option, &values)? {
            _ = writeln!(text, "{name} = {value}");
        }
    }
    Ok(text)
}

fn of_listener(listener: &NamedListener, groups: &[Group]) -> Result<String, String> {
    let name = key(listener.name.as_bytes())?;
    let mut text = format!(
        "\n[listener.{name}]\naddress = {}\n",
        quoted(&listener.address)
    );
    if let Some(group) = listener.group.and_then(|index| groups.get(index)) {
        _ = writeln!(text, "group = {}", quoted(&group.name));
    }
    if let Some(default) = &listener.default {
        let default: &DefaultAction = default;
        _ = writeln!(text, "default = {}", string("default", default.as_bytes())?);
    }
    if let Some(deadline) = listener.deadline {
        _ = writeln!(text, "deadline = {}", quoted(&shown_duration(deadline)));
    }
    Ok(text)
}

fn of_mirror(mirror: &MirrorOptions, which: Written) -> Result<String, String> {
    let name = key(mirror.name.as_bytes())?;
    let address = quoted(&mirror.endpoint.to_string());
    let mut text = format!("\n[mirror.{name}]\naddress = {address}\n");
    if let Some(group) = &mirror.group {
        _ = writeln!(text, "group = {}", quoted(group));
    }
    let MirrorOptions {
        share,
        timeout,
        connections,
        ..
    } = mirror;
    let (percent, rest) = (share / 100, share % 100);
    let share = if rest == 0 {
        format!("\"{percent}%\"")
    } else {
        format!("\"{percent}.{rest:02}%\"")
    };
    let all = which == Written::All;
    for (key, value, default) in [
        ("share", share, "\"100%\""),
        ("timeout", quoted(&shown_duration(*timeout)), "\"10s\""),
        ("connections", connections.to_string(), "1"),
    ] {
        if all || value != default {
            _ = writeln!(text, "{key} = {value}");
        }
    }
    Ok(text)
}

fn of_route(route: &Route, options: &Options) -> String {
    let groups = &options.groups;
    let group = groups.list.get(route.group).map_or("", |group| &group.name);
    let mut text = format!("\n[[route]]\ngroup = {}\n", quoted(group));
    let texts = |values: &[Vec<u8>]| -> Vec<String> {
        let values = values.iter();
        values
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect()
    };
    let names = route.listeners.iter().filter_map(|number| {
        let index = usize::from(*number).checked_sub(1)?;
        Some(groups.listeners.get(index)?.name.clone())
    });
    for (key, values) in [
        ("policy_context", texts(&route.contexts)),
        ("protocol_state", texts(&route.states)),
        ("listener", names.collect()),
    ] {
        if !values.is_empty() {
            _ = writeln!(text, "{key} = {}", list(&values));
        }
    }
    text
}

fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}
