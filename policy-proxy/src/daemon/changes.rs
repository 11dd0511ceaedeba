//! The lines about settings that a reload has taken over: what differs, and what may not be meant.

use policy_daemon::{
    ListenAddr,
    log::{Level, Log, printable},
};
use policy_flow::Check;

use super::config_file::FileOptions;
use crate::{
    config::{Change, differences},
    options::Services,
    warnings::warnings,
};

/// Logs each setting that differs from before, and each that differs from the start and holds since then.
pub(super) fn say_changes(start: &str, before: &str, now: &str, log: &Log) -> Vec<String> {
    let needs_restart = |key: &str| NEEDS_RESTART.contains(&key);
    let mut said = Vec::new();
    let mut say = |level, text: String| {
        let text = printable(text);
        log.line(level, format!("reload: {text}"));
        said.push(text);
    };
    for change in differences(before, now) {
        match change {
            Change::Of(key, _) if needs_restart(&key) => {}
            Change::Of(_, text) | Change::OfTable(text) => say(Level::Notice, text),
        }
    }
    for change in differences(start, now) {
        if let Change::Of(key, _) = change
            && needs_restart(&key)
        {
            say(
                Level::Warning,
                format!("{key} has changed, which needs a restart"),
            );
        }
    }
    said
}

/// Logs what `--check-config` would warn of.
pub(super) fn say_warnings(
    file: &FileOptions,
    of_next_start: Vec<String>,
    check: Option<&Check>,
    log: &Log,
) -> Vec<String> {
    let FileOptions {
        options, config, ..
    } = file;
    let services = Services::parse(options);
    let listeners = options.daemon.listen_addrs();
    let listeners: Vec<ListenAddr> = listeners.filter_map(Result::ok).collect();
    let of_next_start = of_next_start.into_iter().map(String::into_bytes);
    let of_options = of_next_start
        .chain(warnings(options, &services, &listeners, check))
        .map(|text| {
            let text = printable(text);
            let position = config.position_of(&text);
            (position.unwrap_or_default(), text)
        });
    let of_file = config.warnings();
    let mut said = Vec::new();
    for (position, text) in of_options.chain(of_file) {
        let (position, text) = match position.as_str() {
            "" => (position, printable(text)),
            _ => (printable(position) + ": ", printable(text)),
        };
        log.line(Level::Warning, format!("reload: {position}{text}"));
        said.push(format!("{position}warning: {text}"));
    }
    said
}

/// Settings that hold from a start to an end.
const NEEDS_RESTART: [&str; 14] = [
    "control",
    "admin",
    "user",
    "workers",
    "stdout",
    "log-to",
    "drain",
    "handover",
    "allow",
    "max-clients",
    "max-clients-per-address",
    "max-clients-per-user",
    "max-request",
    "max-memory",
];
