//! The lines of the daemon's start and end, and those that SIGUSR1 asks for.

use std::time::Instant;

use nix::unistd::{User, geteuid};
use policy_daemon::{
    Started,
    log::{Level, printable},
};

use crate::{options::DefaultAction, proxy::Proxy};

impl Proxy {
    /// The daemon serves: its user, settings and listeners. To be called once the privileges are given up.
    pub(crate) fn say_start(&self, daemon: &Started<'_>) {
        let log = self.journal.log();
        let workers = daemon.workers;
        let text = format!("hapolicy {VERSION} starts as a daemon, workers: {workers}");
        log.line(Level::Info, text);
        self.say_states();
        self.say_left_out();
        self.say_settings();
        for endpoint in daemon.endpoints {
            log.line(Level::Info, format!("listening on {endpoint}"));
        }
        for endpoint in daemon.admin {
            log.line(Level::Info, format!("metrics at {endpoint}"));
        }
        if let Some(endpoint) = daemon.control {
            log.line(Level::Info, format!("commands at {endpoint}"));
        }
        if let Some(text) = self.nobody_to_ask() {
            log.line(Level::Warning, text);
        }
    }

    /// The daemon has ended: its counters.
    pub(crate) fn say_end(&self, daemon: &Started<'_>) {
        let log = self.journal.log();
        let now = Instant::now();
        self.journal
            .say_last_ends_of_outages(now, |group| self.default_of(group));
        self.journal.say_held_back(now, true);
        self.say_states();
        self.say_left_out();
        self.say_settings();
        for endpoint in daemon.endpoints {
            log.line(Level::Info, format!("listened on {endpoint}"));
        }
        let text = format!("stopped: hapolicy {VERSION}, daemon");
        log.line(Level::Info, text);
    }

    fn say_settings(&self) {
        let log = self.journal.log();
        let default = shown(&self.default);
        let count = self.journal.unanswered_count();
        let text = format!("default action: {default}, given for want of an answer: {count}");
        log.line(Level::Info, text);
        if self.has_groups() {
            for group in &self.settings.groups {
                let (name, default) = (&group.name, shown(&group.default));
                let deadline = group.upstream.deadline;
                let text =
                    format!("group '{name}': default action: {default}, deadline: {deadline:?}");
                log.line(Level::Info, text);
            }
        } else if let Some(group) = self.settings.groups.first() {
            let deadline = group.upstream.deadline;
            log.line(Level::Info, format!("deadline: {deadline:?}"));
        }
        let uid = geteuid();
        let user = User::from_uid(uid).ok().flatten();
        let user = user.map_or_else(|| uid.to_string(), |user| user.name);
        log.line(Level::Info, format!("user: {user}"));
    }

    /// Logs the states of the services and the counters.
    pub(crate) fn report(&self) {
        self.say_states();
        let count = self.journal.unanswered_count();
        let text = format!("requests that no service answered: {count}");
        self.journal.log().line(Level::Info, text);
        self.say_left_out();
    }

    fn say_left_out(&self) {
        if let Some(count) = self.journal.left_out() {
            let text = format!("lines left out by --log-sample: {count}");
            self.journal.log().line(Level::Info, text);
        }
    }

    fn say_states(&self) {
        let group = |index| self.group_name(index);
        self.journal
            .say_states(&self.states(), group, Instant::now());
    }
}

fn shown(default: &DefaultAction) -> String {
    match default {
        DefaultAction::Reply(action) => format!("'{}'", printable(action.as_bytes())),
        DefaultAction::Close => "close".to_owned(),
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
