//! Lines about the states of all services together, and about requests that none of them answers.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use chrono::{Local, TimeDelta};
use policy_daemon::log::{Entry, Field, Level, MessageId};
use policy_flow::Counts;
use policy_ha::{Mode, Status};
use policy_proto::Response;

use crate::{
    journal::{
        Journal,
        line::{Place, escape},
        outage::Over,
    },
    options::DefaultAction,
};

/// A service as it is now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) mode: Mode,
    pub(crate) status: Status,
    pub(crate) counts: Counts,
    pub(crate) weight: u16,
    /// Connections to it, idle ones among them.
    pub(crate) connections: usize,
}

impl State {
    pub(crate) const fn is_down(&self) -> bool {
        matches!(self.status, Status::Down { .. })
    }

    /// For how long it has been down, if it is.
    pub(crate) fn down_for(&self, now: Instant) -> Option<Duration> {
        match self.status {
            Status::Down { since, .. } => Some(now.saturating_duration_since(since)),
            _ => None,
        }
    }

    /// Whether it has been due for a trial for so long: no request has come to it, since others answer.
    pub(crate) fn is_untried_for(&self, time: Duration, now: Instant) -> bool {
        match self.status {
            Status::Down { due, .. } => now.saturating_duration_since(due) >= time,
            _ => false,
        }
    }

    pub(crate) fn mode(&self) -> &'static str {
        match self.mode {
            Mode::Enabled => "enabled",
            Mode::Drain => "drain",
            Mode::Disabled => "disabled",
        }
    }
}

impl Journal {
    /// A request came to nothing: no service answered.
    pub(crate) fn unanswered(
        &self,
        group: usize,
        states: impl FnOnce() -> Vec<State>,
        response: Option<&Response>,
    ) {
        let Some(suppressor) = &self.suppressor else {
            return;
        };
        self.unanswered.add();
        if let Some(group) = self.groups.get(group) {
            group.outage.unanswered(Instant::now());
        }
        let what = match response {
            Some(action) => {
                let action = escape(action.as_bytes(), Place::Quoted('\''));
                format!("default action '{action}'")
            }
            None => "closing the connection".to_owned(),
        };
        let (of_group, states) = (self.of_group(group), summary(&states()));
        let text = format!("no service{of_group} answered: {what} ({states})");
        let entry = Entry::new(Level::Warning, text).with_id(MessageId::NO_ANSWER);
        suppressor.entry("no answer", Self::subject_of(group), entry);
    }

    /// A service has answered a request.
    #[inline]
    pub(crate) fn answered<'a>(&self, group: usize, default: impl FnOnce() -> &'a DefaultAction) {
        let outage = self.groups.get(group).map(|group| &group.outage);
        if let Some(over) = outage.and_then(|outage| outage.answered(Instant::now)) {
            self.answer_again(group, over, default());
        }
    }

    /// Says that an outage is over, if that was held back.
    pub(crate) fn say_ends_of_outages<'a>(
        &self,
        now: Instant,
        default: impl Fn(usize) -> &'a DefaultAction,
    ) {
        for (index, group) in self.groups.iter().enumerate() {
            if let Some(over) = group.outage.ended_meanwhile(now) {
                self.answer_again(index, over, default(index));
            }
        }
    }

    /// Says at the end of the daemon that an outage is over.
    pub(crate) fn say_last_ends_of_outages<'a>(
        &self,
        now: Instant,
        default: impl Fn(usize) -> &'a DefaultAction,
    ) {
        for (index, group) in self.groups.iter().enumerate() {
            if let Some(over) = group.outage.ended_at_last(now) {
                self.answer_again(index, over, default(index));
            }
        }
    }

    /// Requests that no service answered.
    pub(crate) fn unanswered_count(&self) -> u64 {
        self.unanswered.get()
    }

    /// Says that a service is down, for so long by now.
    pub(crate) fn still_down(&self, index: usize, down_for: Duration, is_untried: bool) {
        let Some(counted) = self.services.get(index) else {
            return;
        };
        let (place, reason) = (counted.place(), counted.reason());
        let format = match down_for.as_secs() {
            ..DAY => "%H:%M:%S",
            _ => "%b %e %H:%M:%S",
        };
        let since = Local::now() - TimeDelta::from_std(down_for).unwrap_or_default();
        let (since, seconds) = (since.format(format), down_for.as_secs());
        let untried = if is_untried {
            "; no request has come to it lately"
        } else {
            ""
        };
        let text = format!("{place} is still down since {since} ({seconds}s): {reason}{untried}");
        let entry = Entry::new(Level::Warning, text).with_id(MessageId::DOWN);
        self.log.entry(&entry.with(Field::Service, &counted.name));
    }

    /// Says the state of each service, and what has come of the requests.
    /// Where there are several groups, each service is said with the name of its own.
    pub(crate) fn say_states<'a>(
        &self,
        states: &[State],
        group: impl Fn(usize) -> &'a str,
        now: Instant,
    ) {
        for (index, (counted, state)) in self.services.iter().zip(states).enumerate() {
            let mut place = counted.place();
            if self.has_groups() {
                _ = write!(place, " of group '{}'", group(index));
            }
            let mode = state.mode();
            let status = match state.down_for(now) {
                None => "up".to_owned(),
                Some(time) => format!("down for {}s", time.as_secs()),
            };
            let Counts {
                answered, failed, ..
            } = state.counts;
            let text = format!(
                "service {place}: {mode}, {status}, answered: {answered}, failed: {failed}"
            );
            self.log.line(Level::Info, text);
        }
    }

    /// The states for a service manager, in one line.
    pub(crate) fn status(&self, states: &[State], now: Instant) -> String {
        let one = |(counted, state): (&super::Counted, &State)| {
            let name = &counted.name;
            let mode = match state.mode {
                Mode::Enabled => String::new(),
                _ => format!(" ({})", state.mode()),
            };
            match state.down_for(now) {
                None => format!("{name} up{mode}"),
                Some(time) => format!("{name} down {}s{mode}", time.as_secs()),
            }
        };
        let services: Vec<String> = self.in_order().zip(states).map(one).collect();
        let count = self.unanswered_count();
        format!(
            "{}; {}",
            services.join(", "),
            plural(count, "default action")
        )
    }

    fn answer_again(&self, group: usize, over: Over, default: &DefaultAction) {
        // Their number is in this line, and said later they would tell of another outage.
        if let Some(suppressor) = &self.suppressor {
            suppressor.forget("no answer", Self::subject_of(group));
        }
        let after = over.after.as_secs();
        let what = match default {
            DefaultAction::Reply(_) => "got the default action",
            DefaultAction::Close => "got no answer",
        };
        let count = plural(over.count, "request");
        let of_group = self.of_group(group);
        let text = format!("services{of_group} answer again after {after}s: {count} {what}");
        let entry = Entry::new(Level::Info, text).with_id(MessageId::ANSWERS_AGAIN);
        self.log.entry(&entry);
    }
}

/// How many are down, and how many may not be asked.
pub(super) fn summary(states: &[State]) -> String {
    let count = |is: fn(&&State) -> bool| states.iter().filter(is).count();
    let (down, all) = (count(|state| state.is_down()), states.len());
    let mut text = format!("{down} of {all} services are down");
    for (number, what) in [
        (count(|state| state.mode == Mode::Disabled), "disabled"),
        (count(|state| state.mode == Mode::Drain), "drained"),
    ] {
        if number > 0 {
            text += &format!(", {number} {what}");
        }
    }
    text
}

fn plural(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// In seconds.
const DAY: u64 = 24 * 60 * 60;
