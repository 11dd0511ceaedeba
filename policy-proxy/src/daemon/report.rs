//! The lines of the daemon's start and end, and those that SIGUSR1 asks for.

use std::time::Instant;

use nix::unistd::{User, geteuid};
use policy_daemon::{
    Started,
    log::{Level, printable},
};

use crate::{options::DefaultAction, proxy::Proxy};

/// The daemon serves: its user, settings and listeners. To be called once the privileges are given up.
pub(super) fn start(proxy: &Proxy, daemon: &Started<'_>) {
    let log = proxy.journal.log();
    let workers = daemon.workers;
    let text = format!("hapolicy {VERSION} starts as a daemon, workers: {workers}");
    log.line(Level::Info, text);
    say_states(proxy);
    say_left_out(proxy);
    say_settings(proxy);
    for endpoint in daemon.endpoints {
        log.line(Level::Info, format!("listening on {endpoint}"));
    }
    for endpoint in daemon.admin {
        log.line(Level::Info, format!("metrics at {endpoint}"));
    }
    if let Some(endpoint) = daemon.control {
        log.line(Level::Info, format!("commands at {endpoint}"));
    }
    if let Some(text) = proxy.nobody_to_ask() {
        log.line(Level::Warning, text);
    }
}

/// The daemon has ended: its counters.
pub(super) fn end(proxy: &Proxy, daemon: &Started<'_>) {
    let log = proxy.journal.log();
    let now = Instant::now();
    proxy
        .journal
        .say_last_ends_of_outages(now, |group| proxy.default_of(group));
    proxy.journal.say_held_back(now, true);
    say_states(proxy);
    say_left_out(proxy);
    say_settings(proxy);
    for endpoint in daemon.endpoints {
        log.line(Level::Info, format!("listened on {endpoint}"));
    }
    let text = format!("stopped: hapolicy {VERSION}, daemon");
    log.line(Level::Info, text);
}

fn say_settings(proxy: &Proxy) {
    let log = proxy.journal.log();
    let default = shown(&proxy.default);
    let count = proxy.journal.unanswered_count();
    let text = format!("default action: {default}, given for want of an answer: {count}");
    log.line(Level::Info, text);
    if proxy.has_groups() {
        for group in &proxy.settings.groups {
            let (name, default) = (&group.name, shown(&group.default));
            let deadline = group.upstream.deadline;
            let text = format!("group '{name}': default action: {default}, deadline: {deadline:?}");
            log.line(Level::Info, text);
        }
    } else if let Some(group) = proxy.settings.groups.first() {
        let deadline = group.upstream.deadline;
        log.line(Level::Info, format!("deadline: {deadline:?}"));
    }
    let uid = geteuid();
    let user = User::from_uid(uid).ok().flatten();
    let user = user.map_or_else(|| uid.to_string(), |user| user.name);
    log.line(Level::Info, format!("user: {user}"));
}

/// Logs the states of the services and the counters.
pub(super) fn states(proxy: &Proxy) {
    say_states(proxy);
    let count = proxy.journal.unanswered_count();
    let text = format!("requests that no service answered: {count}");
    proxy.journal.log().line(Level::Info, text);
    say_left_out(proxy);
}

fn say_left_out(proxy: &Proxy) {
    if let Some(count) = proxy.journal.left_out() {
        let text = format!("lines left out by --log-sample: {count}");
        proxy.journal.log().line(Level::Info, text);
    }
}

fn say_states(proxy: &Proxy) {
    let group = |index| proxy.group_name(index);
    proxy
        .journal
        .say_states(&proxy.states(), group, Instant::now());
}

fn shown(default: &DefaultAction) -> String {
    match default {
        DefaultAction::Reply(action) => format!("'{}'", printable(action.as_bytes())),
        DefaultAction::Close => "close".to_owned(),
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
